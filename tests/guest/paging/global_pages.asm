; A global translation survives MOV CR3, not INVLPG, and not a change of CR4.PGE.
; mode:   long64
; source: Intel SDM Vol. 3A, "Global Pages"; "Operations that Invalidate TLBs and Paging-Structure Caches"
; expect: eax=0x22 ebx=0x33
%include "long64.inc"
        mov   byte [0x31000], 0x11
        mov   byte [0x32000], 0x22
        mov   byte [0x33000], 0x33
        mov   rax, cr4
        or    rax, CR4_PGE
        mov   cr4, rax
        mov   qword [PTE(0x30000)], 0x31000 | P | W | G
        invlpg [0x30000]
        mov   cl, [0x30000]
        mov   qword [PTE(0x30000)], 0x32000 | P | W | G
        invlpg [0x30000]
        movzx eax, byte [0x30000]
        mov   qword [PTE(0x30000)], 0x33000 | P | W | G
        mov   rcx, cr4
        and   rcx, ~CR4_PGE
        mov   cr4, rcx
        movzx ebx, byte [0x30000]
        hlt
