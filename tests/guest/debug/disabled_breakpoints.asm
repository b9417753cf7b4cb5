; A breakpoint that is not enabled raises nothing.
; mode:   protected32
; source: Intel SDM Vol. 3B, "Debug Control Register (DR7)"
; expect: log=0 eax=1
%include "protected32.inc"
        install_handlers32
        mov   eax, here
        mov   dr1, eax
        xor   eax, eax
here:   inc   eax
        hlt
