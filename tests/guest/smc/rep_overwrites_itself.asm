; A repeated store runs over code in front of it, and over code already translated.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Self-Modifying Code"
; expect: eax=8
%include "protected32.inc"
        xor   eax, eax
        mov   edi, target
        mov   ecx, 8
        call  target            ; Seen once as NOPs.
        mov   al, 0x40          ; INC EAX
        rep   stosb
        xor   eax, eax
        call  target
        hlt
align 64
target: times 8 nop
        ret
