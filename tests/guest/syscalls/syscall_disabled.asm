; Without EFER.SCE both are #UD; SYSRET outside ring 0 is #GP(0).
; mode:   long64
; source: Intel SDM Vol. 2, "SYSCALL", "SYSRET", 64-Bit Mode Exceptions
; expect: log=3 log[0]=#GP(0)@in_ring3,cs=0x3b log[1]=#UD@syscall_ log[2]=#UD@sysret_
%include "long64.inc"
        install_handlers64
        to_ring3_64
        try   after
in_ring3:
        o64   sysret
after:  to_ring0
        mov   ecx, EFER
        rdmsr
        and   eax, ~EFER_SCE
        wrmsr
        try   after_syscall
syscall_:
        syscall
after_syscall:
        try   done
sysret_:
        o64   sysret
done:   hlt
