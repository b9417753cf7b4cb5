; A shift by zero changes no flags; counts are taken modulo 32 or 64; a zero count still clears the
; upper half of a 32-bit destination.
; mode:   long64
; org:    0x100000
; runs:   interpreter translator host
; source: Intel SDM Vol. 2, "SAL/SAR/SHL/SHR"
; expect: rax=0xffffffff rbx=1 rflags=CF|PF|ZF
%include "host.inc"
        mov   rax, -1
        mov   ebx, 1
        mov   ecx, 0x45
        push  rcx
        popfq
        mov   ecx, 32
        shl   eax, cl
        mov   ecx, 64
        sar   rbx, cl
        hlt
