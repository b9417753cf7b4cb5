; A page that holds code and page-table entries: both kinds of change take effect.
; mode:   long64
; source: Intel SDM Vol. 3A, "Self-Modifying Code"; "Recommended Invalidation"
; expect: eax=0x55 ebx=0x66 ecx=0x77
%include "long64.inc"
        ; The table for 2 MiB to 4 MiB lives in the page of the program's subroutine.
        mov   byte [0x30000], 0x55
        mov   byte [0x31000], 0x66
        lea   rax, [table]
        mov   qword [table], 0x30000 | P | W
        or    rax, P | W
        mov   [PD + 8], rax
        mov   rax, cr3
        mov   cr3, rax
        call  read
        movzx esi, al
        mov   qword [table], 0x31000 | P | W
        invlpg [0x200000]
        call  read
        movzx ebx, al
        mov   byte [read], 0xb0                 ; MOV AL, 77h; RET
        mov   word [read + 1], 0xc377
        call  read
        movzx ecx, al
        mov   eax, esi
        hlt
        align 4096
table:  times 8 dq 0
read:   mov   al, [0x200000]
        ret
