; The page behind a linear address is exchanged: the new page's code runs, and the old one's when it
; comes back.
; mode:   long64
; source: Intel SDM Vol. 3A, "Operations that Invalidate TLBs and Paging-Structure Caches"
; expect: eax=0x010201 log=0
%include "long64.inc"
        mov   dword [0x31000], 0x0001b8         ; MOV EAX, 1; RET
        mov   word [0x31004], 0xc300
        mov   dword [0x32000], 0x0002b8
        mov   word [0x32004], 0xc300
        xor   esi, esi
%macro run_page 1
        mov   qword [PTE(0x30000)], (%1) | P | W
        invlpg [0x30000]
        mov   ebp, 0x30000
        call  rbp
        shl   esi, 8
        or    esi, eax
%endmacro
        run_page 0x31000
        run_page 0x32000
        run_page 0x31000
        mov   eax, esi
        hlt
