; One page of code at two linear addresses, changed through the one while it is hot at the other.
; mode:   long64
; source: Intel SDM Vol. 3A, "Self-Modifying Code"
; expect: ebx=5050 edx=10100 ecx=0 log=0
%include "long64.inc"
        install_handlers64
        mov   qword [PTE(0x40000)], 0x30000 | P | W
        invlpg [0x40000]
        mov   dword [0x30000], 0x000000b8       ; MOV EAX, imm; RET
        mov   word [0x30004], 0xc300
        xor   ebx, ebx
        xor   edx, edx
        mov   ebp, 0x30000
        mov   edi, 0x40000
        mov   ecx, 100
turn:   mov   [rdi + 1], ecx
        call  rbp
        add   ebx, eax
        lea   eax, [ecx * 2]
        mov   [rbp + 1], eax
        call  rdi
        add   edx, eax
        dec   ecx
        jnz   turn
        hlt
