; Under TF a taken branch, a far jump and IRET to the same ring trap at their targets.
; mode:   protected32
; source: Intel SDM Vol. 3B, "Single-Step Exception Condition"
; expect: log=4 log[0]=#DB@first log[1]=#DB@second log[2]=#DB@third log[3]=#DB@behind
%include "protected32.inc"
        install_handlers32
        push  dword 2
        push  dword FLAG_TF | 2
        push  dword CODE32
        push  dword second
        push  dword FLAG_TF | 2
        popfd
        jmp   first
        nop
first:  iretd
        nop
second: jmp   CODE32:third
        nop
third:  popfd
behind: hlt
