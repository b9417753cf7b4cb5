; The task priority register (CR8 in 64-bit mode) holds back interrupts of its class and below.
; mode:   protected32
; devices: board
; source: Intel SDM Vol. 3A, "Task Priorities and Processor Priorities"
; expect: log=1 log[0]=0x3b mem[RESULT]=dword:0
%include "protected32.inc"
        install_handlers32
        enable_apic
        mov   dword [APIC + 0x80], 0x30
        mov   dword [APIC + 0x300], 1 << 18 | 0x3b
        sti
        nop
        nop
        mov   eax, [LOG_COUNT]
        mov   [RESULT], eax
        mov   dword [APIC + 0x80], 0x20
        nop
        nop
        cli
        hlt
