; The same page at two linear addresses: code runs at one and is changed through the other.
; mode:   long64
; source: Intel SDM Vol. 3A, "Self-Modifying Code"
; expect: eax=0x11 ebx=0x22 ecx=0x33
%include "long64.inc"
        mov   qword [PTE(0x40000)], 0x30000 | P | W
        invlpg [0x40000]
        mov   dword [0x30000], 0x000011b8       ; MOV EAX, 11h; RET
        mov   word [0x30004], 0xc300
        mov   ebp, 0x30000
        call  rbp
        mov   esi, eax
        mov   byte [0x40001], 0x22
        call  rbp
        mov   ebx, eax
        mov   byte [0x30001], 0x33
        mov   ebp, 0x40000
        call  rbp
        mov   ecx, eax
        mov   eax, esi
        hlt
