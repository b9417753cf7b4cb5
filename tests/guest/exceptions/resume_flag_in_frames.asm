; Faults push RF set, traps and software interrupts push it clear.
; mode:   protected32
; source: Intel SDM Vol. 3B, "Instruction-Breakpoint Exception Condition" (RF)
; expect: log=7 log[0]=#UD@fault,flags=RF log[1]=#BP,clear=RF log[2]=0x31,clear=RF log[3]=#GP(0x20),flags=RF log[4]=#DB,clear=RF
%include "protected32.inc"
        install_handlers32
        try   after
fault:  ud2
after:  int3
        int   0x31
        try   after_gp
        mov   eax, DATA32 | 3
        mov   fs, ax
after_gp:
        push  dword FLAG_TF | 2
        popfd
        nop
        push  dword 2
        popfd
        hlt
