; BOUND: signed comparison with both limits, #BR as a fault.
; mode:   protected32
; source: Intel SDM Vol. 2, "BOUND"
; expect: log=2 log[0]=#BR@below log[1]=#BR@above
%include "protected32.inc"
        install_handlers32
        mov   eax, -5
        bound eax, [limits]
        mov   eax, 5
        bound eax, [limits]
        try   after
        mov   eax, -6
below:  bound eax, [limits]
after:  try   done
        mov   ax, 0x7fff
above:  bound ax, [small]
done:   hlt
limits: dd    -5, 5
small:  dw    -1, 0x7ffe
