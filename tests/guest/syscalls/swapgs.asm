; SWAPGS exchanges GS.base and the MSR; ring 3 gets #GP(0).
; mode:   long64
; source: Intel SDM Vol. 2, "SWAPGS"
; expect: rax=0x1122334455 rbx=0x6677 gs.base=0x1122334455 kernel_gs_base=0x6677 log=1 log[0]=#GP(0)@user,cs=0x3b
%include "long64.inc"
        install_handlers64
        xor   eax, eax
        mov   gs, ax            ; A null selector outlives the way to ring 3.
        set_msr 0xc0000101, 0x6677
        set_msr 0xc0000102, 0x1122334455
        swapgs
        to_ring3_64
        try   after
user:   swapgs
after:  to_ring0
        mov   ecx, 0xc0000101
        rdmsr
        shl   rdx, 32
        or    rdx, rax
        mov   r8, rdx
        mov   ecx, 0xc0000102
        rdmsr
        shl   rdx, 32
        or    rax, rdx
        mov   rbx, rax
        mov   rax, r8
        hlt
