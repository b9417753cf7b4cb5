; TSC-deadline mode: an interrupt when the counter reaches the MSR, which is then zero.
; mode:   protected32
; devices: board
; limit:  5000000
; source: Intel SDM Vol. 3A, "TSC-Deadline Mode"
; expect: log=1 log[0]=0x3a eax=0 edx=0 ebx=1
%include "protected32.inc"
        install_handlers32
        enable_apic
        mov   dword [APIC + 0x320], 0x3a | 2 << 17
        mfence
        rdtsc
        add   eax, 20000
        adc   edx, 0
        mov   esi, eax
        mov   edi, edx
        mov   ecx, 0x6e0
        wrmsr
        sti
        hlt
        rdtsc
        cmp   edx, edi
        jne   .compare
        cmp   eax, esi
.compare:
        setae bl
        movzx ebx, bl
        mov   ecx, 0x6e0
        rdmsr
        cli
        hlt
