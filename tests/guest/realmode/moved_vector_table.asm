; LIDT moves the vector table in real mode too.
; mode:   real
; source: Intel SDM Vol. 3A, "Interrupt and Exception Handling" (real-address mode)
; expect: bx=0x1234
%include "real.inc"
        lidt  [table]
        mov   word [0x8000 + 0x21 * 4], handler
        mov   word [0x8000 + 0x21 * 4 + 2], 0
        int   0x21
        hlt
handler:
        mov   bx, 0x1234
        hlt
table:  dw    0x3ff
        dd    0x8000
