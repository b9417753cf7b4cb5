; An instruction across two pages whose second half is changed, by a store and by another mapping.
; mode:   long64
; source: Intel SDM Vol. 3A, "Self-Modifying Code"; "Operations that Invalidate TLBs and Paging-Structure Caches"
; expect: eax=0x11223344 ebx=0x99223344 ecx=0x77663344
%include "long64.inc"
        mov   byte [0x30ffd], 0xb8              ; MOV EAX, 11223344h; RET
        mov   word [0x30ffe], 0x3344
        mov   dword [0x31000], 0x00c31122
        mov   dword [0x33000], 0x00c37766
        mov   ebp, 0x30ffd
        call  rbp
        mov   esi, eax
        mov   byte [0x31001], 0x99
        mov   byte [0x31000], 0x22
        call  rbp
        mov   ebx, eax
        mov   qword [PTE(0x31000)], 0x33000 | P | W
        invlpg [0x31000]
        call  rbp
        mov   ecx, eax
        mov   eax, esi
        hlt
