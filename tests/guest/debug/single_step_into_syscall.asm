; SYSCALL with TF in the mask: no trap in the kernel. SYSRET brings TF back and traps at once, as if
; SYSCALL had just completed.
; mode:   long64
; source: AMD64 APM Vol. 3, "SYSCALL", "SYSRET"; Intel SDM Vol. 3B, "Single-Step Exception Condition"
; expect: log=4 log[0]=#DB@call,cs=0x3b log[1]=#DB@after_call,cs=0x3b log[2]=#DB@after_nop log[3]=#DB@behind mem[RESULT]=qword:0x102/0x302
%include "long64.inc"
        install_handlers64
        set_msr 0xc0000081, 0x0028_0008_0000_0000
        set_msr_address 0xc0000082, entry
        set_msr 0xc0000084, FLAG_TF
        to_ring3_64
        push  2
        push  FLAG_TF | 2
        popfq
        nop
call:   syscall
after_call:
        nop
after_nop:
        popfq
behind: to_ring0
        hlt
entry:  mov   [RESULT], r11
        nop
        o64   sysret
