; RDFSBASE and its kin want CR4.FSGSBASE, work in ring 3, and refuse non-canonical bases.
; mode:   long64
; source: Intel SDM Vol. 2, "RDFSBASE/RDGSBASE", "WRFSBASE/WRGSBASE"
; expect: log=2 log[0]=#UD@off log[1]=#GP(0)@far_away rbx=0x20000 ecx=0x5a fs.base=0x20000
%include "long64.inc"
        install_handlers64
        try   after
off:    rdfsbase rax
after:  mov   rax, cr4
        or    rax, CR4_FSGSBASE
        mov   cr4, rax
        mov   byte [SCRATCH + 5], 0x5a
        to_ring3_64
        mov   eax, SCRATCH
        wrfsbase rax
        rdfsbase rbp
        movzx esi, byte [fs:5]
        mov   rdx, 0x8000_0000_0000_0000
        try   done
far_away:
        wrgsbase rdx
done:   to_ring0
        mov   rbx, rbp
        mov   ecx, esi
        hlt
