; Bits of CR4 that the processor does not have are #GP(0).
; mode:   protected32
; cpu:    pentium
; source: Intel SDM Vol. 3A, "Control Registers", CR4
; expect: log=5 log[0]=#GP(0)@pae log[1]=#GP(0)@pge log[2]=#GP(0)@osfxsr log[3]=#GP(0)@smep log[4]=#GP(0)@top cr4=0x1f
%include "protected32.inc"
        install_handlers32
        mov   eax, CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE
        mov   cr4, eax
%macro refuse 2                 ; label, bit
        try   after_%1
        mov   ecx, eax
        or    ecx, %2
%1:     mov   cr4, ecx
after_%1:
%endmacro
        refuse pae, CR4_PAE
        refuse pge, CR4_PGE
        refuse osfxsr, CR4_OSFXSR
        refuse smep, CR4_SMEP
        refuse top, 1 << 31
        hlt
