; PAE paging: four pointers, 2 MiB and 4 KiB pages, entries of 64 bits that reach above 4 GiB.
; mode:   protected32
; source: Intel SDM Vol. 3A, "PAE Paging"
; expect: mem[0x100003000]=dword:0x64646464 mem[0x400010]=dword:0x77 log=0 mem[PD+16]=dword:0x60/0x60
%include "protected32.inc"
        install_handlers32
        build_pages_pae
        store64 PTE(0x30000), 0x100003000 | P | W
        enable_paging
        mov   dword [0x30000], 0x64646464
        mov   dword [0x400010], 0x77
        hlt
