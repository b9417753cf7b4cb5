; Rights are those that all levels allow: a supervisor or read-only directory entry rules.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Determination of Access Rights"
; expect: log=2 log[0]=#PF(7)@read_only log[1]=#PF(5)@supervisor
%include "protected32.inc"
        install_handlers32
        build_pages32
        ; 4 MiB to 8 MiB and 8 MiB to 12 MiB through the same table.
        mov   dword [PML4 + 4], PDPT | P | U
        mov   dword [PML4 + 8], PDPT | P | W
        enable_paging CR0_WP
        to_ring3
        mov   eax, [0x400000 + SCRATCH]
        try   after
read_only:
        mov   [0x400000 + SCRATCH], eax
after:  try   done
supervisor:
        mov   eax, [0x800000 + SCRATCH]
done:   to_ring0
        hlt
