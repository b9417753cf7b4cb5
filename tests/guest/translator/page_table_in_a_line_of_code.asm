; A page-table entry and the code that uses it in the same 64 bytes: entries are exchanged, and the
; processor sets their accessed and dirty bits, while the code is hot.
; mode:   long64
; source: Intel SDM Vol. 3A, "Self-Modifying Code"; "Accessed and Dirty Flags"
; expect: ebx=800 mem[0x38000]=qword:0x31063 mem[0x30001]=byte:5 mem[0x31001]=byte:11 log=0
%include "long64.inc"
        install_handlers64
        mov   byte [0x30000], 5
        mov   byte [0x31000], 11
        mov   rax, 0xc30020000025048a           ; MOV AL, [200000h]; RET
        mov   [0x38020], rax
        mov   rax, 0xc300200001250488           ; MOV [200001h], AL; RET
        mov   [0x38028], rax
        mov   qword [PD + 8], 0x38000 | P | W
        mov   rax, cr3
        mov   cr3, rax
        mov   ebp, 0x38020
        mov   edi, 0x38028
        xor   ebx, ebx
        mov   ecx, 100
turn:   mov   eax, 0x30000 | P | W
        test  cl, 1
        jz    even
        mov   eax, 0x31000 | P | W
even:   mov   [0x38000], rax
        invlpg [0x200000]
        call  rbp
        movzx eax, al
        add   ebx, eax
        call  rdi
        dec   ecx
        jnz   turn
        hlt
