; HPET timer 0, one shot through the I/O APIC.
; mode:   protected32
; devices: board
; limit:  20000000
; source: IA-PC HPET specification, "Timer N Configuration and Capability Register"; 82093AA data sheet
; expect: log=1 log[0]=0x3c ebx=1
%include "protected32.inc"
        install_handlers32
        enable_apic
        mov   dword [IOAPIC], 0x10 + 2 * 2      ; Pin 2: where the board has timer 0.
        mov   dword [IOAPIC + 0x10], 0x3c
        mov   dword [IOAPIC], 0x11 + 2 * 2
        mov   dword [IOAPIC + 0x10], 0
        mov   dword [HPET + 0x10], 0
        mov   dword [HPET + 0xf0], 0
        mov   dword [HPET + 0xf4], 0
        mov   dword [HPET + 0x100], 4           ; Interrupt on, one shot, edge.
        mov   dword [HPET + 0x108], 5000
        mov   dword [HPET + 0x10c], 0
        mov   dword [HPET + 0x10], 3            ; On, with the legacy routes.
        sti
        hlt
        mov   eax, [HPET + 0xf0]
        cmp   eax, 5000
        setae bl
        movzx ebx, bl
        cli
        hlt
