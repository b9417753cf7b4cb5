; MOV CR3 with the same value drops what was cached: a changed entry counts afterwards.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Operations that Invalidate TLBs and Paging-Structure Caches"
; expect: eax=0x22 ebx=0x11
%include "protected32.inc"
        build_pages32
        mov   dword [0x31000], 0x11
        mov   dword [0x32000], 0x22
        mov   dword [PTE32(0x30000)], 0x31000 | P | W
        enable_paging
        mov   ebx, [0x30000]
        mov   dword [PTE32(0x30000)], 0x32000 | P | W
        mov   eax, cr3
        mov   cr3, eax
        mov   eax, [0x30000]
        hlt
