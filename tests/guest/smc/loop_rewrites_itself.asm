; A loop that changes an instruction's immediate each time round.
; mode:   long64
; runs:   interpreter translator
; source: Intel SDM Vol. 3A, "Self-Modifying Code"
; expect: eax=4950 ecx=0
%include "long64.inc"
        xor   eax, eax
        mov   ecx, 100
again:  dec   ecx
        mov   [patched + 1], ecx
patched:
        add   eax, 0x7fffffff
        test  ecx, ecx
        jnz   again
        hlt
