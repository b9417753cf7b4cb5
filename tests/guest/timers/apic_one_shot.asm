; The local APIC timer, one shot: one interrupt, and the current count stands at zero.
; mode:   protected32
; devices: board
; limit:  5000000
; source: Intel SDM Vol. 3A, "APIC Timer"
; expect: log=1 log[0]=0x38 eax=0
%include "protected32.inc"
        install_handlers32
        enable_apic
        mov   dword [APIC + 0x3e0], 0xb         ; Divide by one.
        mov   dword [APIC + 0x320], 0x38
        mov   dword [APIC + 0x380], 1000
        sti
        hlt
        mov   ecx, 10000
delay:  loop  delay
        mov   eax, [APIC + 0x390]
        cli
        hlt
