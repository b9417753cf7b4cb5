; SYSRET with a non-canonical RCX is #GP(0), raised in ring 0 with the user's stack pointer.
; mode:   long64
; source: Intel SDM Vol. 2, "SYSRET", 64-Bit Mode Exceptions
; expect: log=1 log[0]=#GP(0)@return,cs=0x08,sp=0x6000
%include "long64.inc"
        install_handlers64
        mov   byte [IDT + 13 * 16 + 4], 1
        set_msr 0xc0000081, 0x0028_0008_0000_0000
        mov   rcx, 0x0000_8000_0000_0000
        mov   r11d, 2
        mov   esp, USER_STACK
return: o64   sysret
