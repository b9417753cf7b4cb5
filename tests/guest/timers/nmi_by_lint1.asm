; LINT1 programmed as NMI, and an NMI sent to oneself by the ICR: vector 2 with interrupts off.
; mode:   protected32
; devices: board
; source: Intel SDM Vol. 3A, "Local Vector Table", "Interrupt Command Register (ICR)"
; expect: log=1 log[0]=#NMI
%include "protected32.inc"
        install_handlers32
        enable_apic
        mov   dword [APIC + 0x360], 0x400
        mov   eax, [APIC + 0x20]
        and   eax, 0xff000000
        mov   [APIC + 0x310], eax
        mov   dword [APIC + 0x300], 1 << 14 | 4 << 8
        nop
        nop
        hlt
