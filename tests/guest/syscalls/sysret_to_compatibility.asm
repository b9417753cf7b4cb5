; SYSRET without REX.W returns to 32-bit code: CS from STAR plus RPL 3, ECX is the target.
; mode:   long64
; source: Intel SDM Vol. 2, "SYSRET"
; expect: mem[RESULT]=word:0x2b mem[RESULT+4]=word:0x33 mem[RESULT+8]=dword:0x12345678 log=1 log[0]=#GP(0)@hlt_,cs=0x2b
%include "long64.inc"
        install_handlers64
        set_msr 0xc0000081, 0x0028_0008_0000_0000
        mov   rcx, 0xffffffff00000000 + user
        mov   r11d, 2
        mov   esp, USER_STACK
        sysret
bits 32
user:   mov   [RESULT], cs
        mov   [RESULT + 4], ss
        mov   eax, 0x12345678
        mov   [RESULT + 8], eax
hlt_:   hlt
