; TS and EM: x87 gives #NM, WAIT only with MP and TS; MMX and SSE give #UD with EM, #NM with TS.
; mode:   long64
; source: Intel SDM Vol. 3A, "Interrupt 7—Device Not Available Exception (#NM)"; Vol. 2A, "Exception Classification"
; expect: log=7 log[0]=#NM@fpu_ts log[1]=#NM@mmx_ts log[2]=#NM@sse_ts log[3]=#NM@wait_ts log[4]=#NM@fpu_em log[5]=#UD@mmx_em log[6]=#UD@sse_em
%include "long64.inc"
        install_handlers64
%macro refuse 2+                ; label, instruction
        try   after_%1
%1:     %2
after_%1:
%endmacro
        mov   rax, cr0
        and   rax, ~(CR0_EM | CR0_MP)
        or    rax, CR0_TS
        mov   cr0, rax
        wait                    ; MP is clear.
        refuse fpu_ts, fld1
        refuse mmx_ts, paddb mm0, mm1
        refuse sse_ts, addps xmm0, xmm1
        or    rax, CR0_MP
        mov   cr0, rax
        refuse wait_ts, wait
        and   rax, ~CR0_TS
        or    rax, CR0_EM
        mov   cr0, rax
        refuse fpu_em, fnop
        refuse mmx_em, paddb mm0, mm1
        refuse sse_em, addps xmm0, xmm1
        clts
        hlt
