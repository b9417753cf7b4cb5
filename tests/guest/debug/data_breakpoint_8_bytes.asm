; Length 10b covers eight bytes on processors with 64-bit mode.
; mode:   long64
; source: Intel SDM Vol. 3B, "Debug Control Register (DR7)"
; expect: log=2 log[0]=#DB@after_first,dr6=1/0xf log[1]=#DB@after_push,dr6=2/0xf
%include "long64.inc"
        install_handlers64
        mov   eax, SCRATCH
        mov   dr0, rax
        mov   eax, USER_STACK - 8
        mov   dr1, rax
        mov   eax, 0x400 | 2 | 8 | 0x9 << 16 | 0x9 << 20
        mov   dr7, rax
        mov   byte [SCRATCH + 8], 1
        mov   byte [SCRATCH + 7], 1
after_first:
        mov   esp, USER_STACK
        push  rax
after_push:
        xor   eax, eax
        mov   dr7, rax
        hlt
