; In real mode a vector beyond the IDT's limit is #GP, and its absence a double fault, and so on.
; mode:   real
; source: Intel SDM Vol. 3A, "Interrupt and Exception Handling" in real-address mode; "LIDT"
; expect: shutdown
%include "real.inc"
        lidt  [empty]
        int   0x20
        hlt
empty:  dw    3
        dd    0
