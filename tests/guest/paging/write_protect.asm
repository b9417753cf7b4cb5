; Without CR0.WP ring 0 writes read-only pages, of the user too; ring 3 never does.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Determination of Access Rights"
; expect: log=2 log[0]=#PF(3)@with_wp log[1]=#PF(7)@user mem[0x31000]=dword:0x1 mem[0x32000]=dword:0x2
%include "protected32.inc"
        install_handlers32
        build_pages32
        mov   dword [PTE32(0x31000)], 0x31000 | P | U
        mov   dword [PTE32(0x32000)], 0x32000 | P
        enable_paging
        mov   dword [0x31000], 1
        mov   dword [0x32000], 2
        mov   eax, cr0
        or    eax, CR0_WP
        mov   cr0, eax
        try   after
with_wp:
        mov   dword [0x31000], 3
after:  mov   eax, cr0
        and   eax, ~CR0_WP
        mov   cr0, eax
        to_ring3
        try   done
user:   mov   dword [0x31000], 4
done:   to_ring0
        hlt
