; An instruction across two pages, hot, while another page comes to stand behind the second address.
; mode:   long64
; source: Intel SDM Vol. 3A, "Operations that Invalidate TLBs and Paging-Structure Caches"
; expect: rbx=0x3555480d20 esi=100 edi=100 r8=200 log=0
%include "long64.inc"
        install_handlers64
        mov   byte [0x30ffd], 0xb8              ; MOV EAX, ....3344h
        mov   word [0x30ffe], 0x3344
        mov   dword [0x31000], 0xc6ff1122       ; INC ESI; RET
        mov   byte [0x31004], 0xc3
        mov   dword [0x33000], 0xc7ff7766       ; INC EDI; RET
        mov   byte [0x33004], 0xc3
        xor   ebx, ebx
        xor   esi, esi
        xor   edi, edi
        xor   r8d, r8d
        mov   ebp, 0x30ffd
        mov   r12d, 0x31000 | P | W
turn:   mov   [PTE(0x31000)], r12
        invlpg [0x31000]
        call  rbp
        add   rbx, rax
        inc   r8d
        ; Changes every turn but the hundredth.
        cmp   r8d, 100
        je    same
        xor   r12d, 0x2000
same:   cmp   r8d, 200
        jne   turn
        hlt
