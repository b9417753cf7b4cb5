; The page-directory pointers are registers: a change in memory counts when CR3 is written. Reserved
; bits in them make MOV CR3 fault, and nothing changes.
; mode:   protected32
; source: Intel SDM Vol. 3A, "PDPTE Registers"
; expect: log=1 log[0]=#GP(0)@bad_cr3 eax=0x11 ebx=0x22 cr3=0x10000
%include "protected32.inc"
        install_handlers32
        build_pages_pae
        mov   edi, MORE_TABLES
        mov   esi, PD
        mov   ecx, 1024
        rep   movsd
        store64 MORE_TABLES + 8, 0x400000 | P | W | PS  ; 2 MiB shows 4 MiB there.
        mov   dword [0x200100], 0x11
        mov   dword [0x400100], 0x22
        enable_paging
        mov   dword [PML4], MORE_TABLES | P
        mov   eax, [0x200100]
        mov   ecx, cr3
        mov   cr3, ecx
        mov   ebx, [0x200100]
        mov   dword [PML4 + 8], MORE_TABLES | P | W     ; W is reserved here.
        try   done
bad_cr3:
        mov   cr3, ecx
done:   hlt
