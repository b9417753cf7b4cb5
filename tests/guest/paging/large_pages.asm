; With CR4.PSE a directory entry with PS maps 4 MiB; without CR4.PSE the bit is ignored.
; mode:   protected32
; source: Intel SDM Vol. 3A, "32-Bit Paging"
; expect: mem[0x5abc]=dword:0x11 mem[0x600000]=dword:0x22 eax=0x33 mem[PML4+4]=dword:0x60/0x60 log=0
%include "protected32.inc"
        install_handlers32
        build_pages32
        mov   dword [PML4 + 4], PDPT | P | W | PS       ; A table while PSE is off.
        enable_paging
        mov   dword [0x405abc], 0x11
        mov   dword [PML4 + 4], 0x400000 | P | W | PS
        mov   eax, cr4
        or    eax, CR4_PSE
        mov   cr4, eax
        mov   dword [0x600000], 0x22
        mov   dword [0x7ffffc], 0x33
        mov   eax, [0x7ffffc]
        hlt
