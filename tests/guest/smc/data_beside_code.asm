; Stores beside code in its page do not disturb it, thousands of times.
; mode:   protected32
; limit:  400000
; source: Intel SDM Vol. 3A, "Self-Modifying Code"
; expect: eax=50000 mem[counter]=dword:50000
%include "protected32.inc"
        xor   eax, eax
        mov   ecx, 50000
again:  inc   dword [counter]
        inc   eax
        dec   ecx
        jnz   again
        hlt
align 128
counter: dd 0
