; PSE-36: bits 13 and up of a 4 MiB entry are the physical address above 4 GiB.
; mode:   protected32
; cpu:    pentium3
; source: Intel SDM Vol. 3A, "32-Bit Paging", PSE-36
; expect: mem[0x100001234]=dword:0x36363636 mem[0x1234]=dword:0/0xffffffff
%include "protected32.inc"
        mov   dword [0x1234], 0
        build_pages32
        mov   dword [PML4 + 4], 1 << 13 | P | W | PS
        mov   eax, cr4
        or    eax, CR4_PSE
        mov   cr4, eax
        enable_paging
        mov   dword [0x401234], 0x36363636
        hlt
