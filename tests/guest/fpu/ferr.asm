; With CR0.NE clear an unmasked x87 error is no exception: it leaves by FERR#, and the program goes on.
; mode:   protected32
; source: Intel SDM Vol. 1, "MS-DOS Compatibility Sub-mode"
; expect: log=0 fsw=0x8084/0x8084
%include "protected32.inc"
        install_handlers32
        mov   eax, cr0
        and   eax, ~CR0_NE
        mov   cr0, eax
        fninit
        fldcw [unmasked]
        fld1
        fldz
        fdivp
        fnop
        fld1
        hlt
unmasked:
        dw    0x37b
