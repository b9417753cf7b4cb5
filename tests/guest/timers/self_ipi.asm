; An interrupt to oneself by the ICR: shorthand, and by destination; priority by vector; EOI.
; mode:   protected32
; devices: board
; source: Intel SDM Vol. 3A, "Interrupt Command Register (ICR)", "Interrupt, Task, and Processor Priority"
; expect: log=3 log[0]=0x3d log[1]=0x3c log[2]=0x3b mem[RESULT]=dword:0x3000/0x3000
%include "protected32.inc"
        install_handlers32
        enable_apic
        mov   dword [APIC + 0x300], 1 << 18 | 0x3c      ; Self, while IF is clear.
        mov   dword [APIC + 0x300], 1 << 18 | 0x3d
        mov   eax, [APIC + 0x210]                       ; IRR, vectors 20h to 3fh.
        shr   eax, 16
        mov   [RESULT], eax
        sti
        nop
        nop
        cli
        mov   eax, [APIC + 0x20]
        and   eax, 0xff000000
        mov   [APIC + 0x310], eax
        mov   dword [APIC + 0x300], 1 << 14 | 0x3b
        sti
        nop
        nop
        cli
        hlt
