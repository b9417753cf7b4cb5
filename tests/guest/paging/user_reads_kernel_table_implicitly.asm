; Descriptor tables and TSS on supervisor pages serve ring 3: the processor reads them with its own rights.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Determination of Access Rights" (implicit supervisor-mode accesses)
; expect: log=1 log[0]=0x31,cs=0x2b gs=0x33
%include "protected32.inc"
        install_handlers32
        build_pages32
        mov   dword [PTE32(0x2000)], 0x2000 | P | W
        mov   dword [PTE32(0x3000)], 0x3000 | P | W
        mov   dword [PTE32(0x6000)], 0x6000 | P | W
        enable_paging CR0_WP
        to_ring3
        mov   eax, UDATA32
        mov   gs, ax
        int   0x31
        to_ring0
        hlt
