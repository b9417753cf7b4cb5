; Periodic: interrupts at equal distances until the initial count is set to zero.
; mode:   protected32
; devices: board
; limit:  5000000
; source: Intel SDM Vol. 3A, "APIC Timer"
; expect: log=3 log[0]=0x39 log[2]=0x39 ebx=1
%include "protected32.inc"
        install_handlers32
        enable_apic
        mov   dword [APIC + 0x3e0], 0xb
        mov   dword [APIC + 0x320], 0x39 | 1 << 17
        rdtsc
        mov   esi, eax
        mov   dword [APIC + 0x380], 5000
        sti
wait_:  hlt
        cmp   dword [LOG_COUNT], 3
        jb    wait_
        mov   dword [APIC + 0x380], 0
        rdtsc
        sub   eax, esi
        xor   ebx, ebx
        cmp   eax, 15000        ; The TSC runs at the timer's rate.
        setae bl
        cmp   eax, 16000
        jb    .near
        mov   ebx, 2
.near:  mov   ecx, 20000
delay:  loop  delay
        cli
        hlt
