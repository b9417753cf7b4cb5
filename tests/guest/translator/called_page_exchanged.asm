; A loop that calls functions in two other pages, while another page comes to stand behind the one address.
; mode:   long64
; limit:  20000000
; source: Intel SDM Vol. 3A, "Operations that Invalidate TLBs and Paging-Structure Caches"
; expect: esi=406784 edi=393216 ebx=800000 r8=800000 r9=48 log=0
%include "long64.inc"
        install_handlers64
        mov   dword [0x31ff0], 0xc301c683       ; ADD ESI, 1; RET
        mov   dword [0x33ff0], 0xc301c783       ; ADD EDI, 1; RET
        mov   dword [0x35123], 0xc301c383       ; ADD EBX, 1; RET
        xor   ebx, ebx
        xor   esi, esi
        xor   edi, edi
        xor   r8d, r8d
        xor   r9d, r9d
        mov   ebp, 0x31ff0
        mov   r12d, 0x31000 | P | W
turn:   call  rbp
        call  third
        inc   r8d
        test  r8d, 0x3fff
        jnz   same
        inc   r9d
        xor   r12d, 0x2000
        mov   [PTE(0x31000)], r12
        invlpg [0x31000]
same:   cmp   r8d, 800000
        jb    turn
        hlt
third:  mov   eax, 0x35123
        call  rax
        ret
