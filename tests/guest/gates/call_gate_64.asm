; In long mode gates take sixteen bytes, the new SS is null, and four quadwords are pushed.
; mode:   long64
; source: Intel SDM Vol. 3A, "IA-32e Mode Call Gates", "Stack Switching in IA-32e Mode"
; expect: mem[RESULT]=qword:0x6fe0 mem[RESULT+8]=word:0 mem[RESULT+40]=qword:back mem[RESULT+48]=qword:0x3b
; expect: mem[RESULT+56]=qword:0x6000 mem[RESULT+64]=qword:0x43 mem[RESULT+16]=qword:0x6000 mem[RESULT+24]=word:0x43
; expect: mem[RESULT+32]=word:0x08 log=0
%include "long64.inc"
        install_handlers64
        mov   eax, inner
        mov   [GDT + FREE_SELECTOR], ax
        mov   word [GDT + FREE_SELECTOR + 2], CODE64
        mov   dword [GDT + FREE_SELECTOR + 4], 0xec00
        mov   qword [GDT + FREE_SELECTOR + 8], 0
        to_ring3_64
        call  far dword [pointer]
back:   mov   [RESULT + 16], rsp
        mov   [RESULT + 24], ss
        to_ring0
        hlt
inner:  mov   [RESULT], rsp
        mov   [RESULT + 8], ss
        mov   [RESULT + 32], cs
        mov   rsi, rsp
        mov   edi, RESULT + 40
        mov   ecx, 4
        rep   movsq
        o64   retf
pointer:
        dd    0
        dw    FREE_SELECTOR | 3
