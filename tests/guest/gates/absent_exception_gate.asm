; A missing gate for an exception: #NP with IDT and EXT set in the error code.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Error Code"
; expect: log=2 log[0]=#NP(0x33)@illegal log[1]=#GP(0x2b)@bound
%include "protected32.inc"
        install_handlers32
        mov   byte [IDT + 6 * 8 + 5], 0x0e
        mov   byte [IDT + 5 * 8 + 5], 0x81      ; No gate at all.
        try   after
illegal:
        ud2
after:  try   done
        mov   eax, 5
bound:  bound eax, [limits]
done:   hlt
limits: dd    0, 4
