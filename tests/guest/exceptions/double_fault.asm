; Two contributory faults make a double fault with error code 0; the saved EIP is the first's.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Interrupt 8—Double Fault Exception (#DF)"
; expect: log=1 log[0]=#DF(0)@bad
%include "protected32.inc"
        install_handlers32
        mov   byte [IDT + 13 * 8 + 5], 0x0e     ; #GP's gate is not present: #NP, contributory.
        mov   eax, DATA32 | 3
bad:    mov   fs, ax
        hlt
