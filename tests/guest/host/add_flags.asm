; ADD and SUB at their edges: carry, overflow, auxiliary carry and parity.
; mode:   long64
; org:    0x100000
; runs:   interpreter translator host
; source: Intel SDM Vol. 2, "ADD", "SUB"
; expect: rax=0x8000000000000000 rbx=0x46 rcx=0x97 rdx=0x7 rflags=OF|SF|AF|PF
%include "host.inc"
        xor   eax, eax
        sub   rax, 0
        pushfq
        pop   rbx
        and   ebx, 0x8d7
        or    ebx, 2
        mov   eax, 1
        sub   al, 2
        pushfq
        pop   rcx
        and   ecx, 0x8d5
        or    ecx, 2
        mov   al, 0xf1
        add   al, 0x12
        pushfq
        pop   rdx
        and   edx, 0x8d5
        or    edx, 2
        mov   rax, 0x7fffffffffffffff
        add   rax, 1
        hlt
