; The common way to reset: an IDT of limit 0 and an interrupt.
; mode:   long64
; source: Intel SDM Vol. 3A, "Interrupt 8—Double Fault Exception (#DF)"
; expect: shutdown
%include "long64.inc"
        lidt  [empty]
        int3
        hlt
empty:  dw    0
        dq    0
