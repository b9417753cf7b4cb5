; A fault while a double fault is delivered shuts the processor down.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Interrupt 8—Double Fault Exception (#DF)"
; expect: shutdown log=0
%include "protected32.inc"
        install_handlers32
        mov   byte [IDT + 13 * 8 + 5], 0x0e
        mov   byte [IDT + 8 * 8 + 5], 0x0e
        mov   eax, DATA32 | 3
        mov   fs, ax
        hlt
