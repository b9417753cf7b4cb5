; A breakpoint that is not enabled raises nothing by itself, but DR6 may show it beside one that is.
; mode:   protected32
; source: Intel SDM Vol. 3B, "Debug Status Register (DR6)"
; expect: log=0 eax=1
%include "protected32.inc"
        install_handlers32
        mov   eax, here
        mov   dr1, eax
        xor   eax, eax
here:   inc   eax
        hlt
