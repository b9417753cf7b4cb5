; INT in real mode: FLAGS, CS and IP pushed as words, IF and TF cleared, the vector's far pointer.
; mode:   real
; source: Intel SDM Vol. 3A, "Interrupt and Exception Handling" (real-address mode)
; expect: mem[0x7bfa]=word:back mem[0x7bfc]=word:0 mem[0x7bfe]=word:0x202/0x302 cs=0x07c0 rflags!=IF
%include "real.inc"
        mov   word [0x21 * 4], handler - 0x7c00
        mov   word [0x21 * 4 + 2], 0x07c0
        sti
        nop
        int   0x21
back:   hlt
handler:
        hlt
