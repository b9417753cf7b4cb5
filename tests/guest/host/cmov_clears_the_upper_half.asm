; A 32-bit CMOV clears the upper half of its destination even where the condition is false.
; mode:   long64
; org:    0x100000
; runs:   interpreter translator host
; source: Intel SDM Vol. 2, "CMOVcc"
; expect: rax=0x22222222 rbx=0x3333333333333333
%include "host.inc"
        mov   rax, 0x1111111122222222
        mov   rbx, 0x3333333333333333
        cmp   eax, eax
        cmovne eax, ebx
        hlt
