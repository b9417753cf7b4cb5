; CR4.PVI gives ring 3 of protected mode the same virtual interrupt flag.
; mode:   protected32
; source: Intel SDM Vol. 3B, "Protected-Mode Virtual Interrupts"
; expect: log=2 log[0]=0x31,flags=VIF log[1]=0x32,clear=VIF|IF
%include "protected32.inc"
        install_handlers32
        mov   eax, cr4
        or    eax, CR4_PVI
        mov   cr4, eax
        to_ring3
        sti
        int   0x31
        cli
        int   0x32
        to_ring0
        hlt
