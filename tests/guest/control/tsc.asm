; RDTSC with CR4.TSD is #GP(0) outside ring 0; the counter counts up; RDTSCP gives TSC_AUX.
; mode:   long64
; source: Intel SDM Vol. 2, "RDTSC", "RDTSCP"
; expect: log=2 log[0]=#GP(0)@rdtsc_,cs=0x3b log[1]=#GP(0)@rdtscp_ ebx=1 ecx=0x1234
%include "long64.inc"
        install_handlers64
        set_msr 0xc0000103, 0x1234
        rdtsc
        shl   rdx, 32
        or    rax, rdx
        mov   rsi, rax
        nop
        rdtsc
        shl   rdx, 32
        or    rax, rdx
        xor   r8d, r8d
        cmp   rax, rsi
        seta  r8b
        mov   rax, cr4
        or    rax, CR4_TSD
        mov   cr4, rax
        to_ring3_64
        try   after
rdtsc_: rdtsc
after:  try   done
rdtscp_:
        rdtscp
done:   to_ring0
        rdtscp
        mov   ebx, r8d
        hlt
