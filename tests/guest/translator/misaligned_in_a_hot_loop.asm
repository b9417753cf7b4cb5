; MOVAPS in a loop whose pointer stops being aligned: #GP(0) at that very turn.
; mode:   long64
; source: Intel SDM Vol. 2B, "MOVAPS"
; expect: log=1 log[0]=#GP(0)@load,flags=PF,clear=ZF|CF ebx=501 ecx=499 rdi=0x31f51 xmm0=0x0102030405060708
%include "long64.inc"
        install_handlers64
        mov   rax, 0x0102030405060708
        mov   edi, 0x30000
        mov   ecx, 0x400
        rep   stosq
        mov   edi, 0x30000
        mov   ecx, 1000
        xor   ebx, ebx
        try   done
        xor   ebp, ebp
load:   movaps xmm0, [rdi]
        inc   ebx
        add   edi, 16
        cmp   ecx, 500
        jne   aligned
        inc   edi
        dec   ecx
        or    ebp, 3            ; PF alone.
        jmp   load
aligned:
        dec   ecx
        jnz   load
done:   hlt
