; REP MOVSB and REP MOVSQ between stretches that are not aligned and whose pages are all missing: each page
; faults once, and what was copied is copied once.
; mode:   long64
; limit:  2000000
; source: Intel SDM Vol. 2, "REP/REPE/REPZ/REPNE/REPNZ"; Vol. 3A, "Exception Classifications"
; expect: mem[RESULT]=dword:80 ebp=0 ecx=0 rsi=0x43ff8 rdi=0x53f26 r9=0x43ff8 r10=0x53f26
%include "long64.inc"
SOURCE  equ 0x40ff3
TARGET  equ 0x50f21
COUNT   equ 0x3005
        install_handlers64
        mov   word [IDT + 14 * 16], pager
        mov   edi, SOURCE
        mov   ecx, COUNT
        mov   eax, 7
fill:   stosb
        imul  eax, eax, 5
        inc   eax
        dec   ecx
        jnz   fill
%macro lose_all 0
        mov   eax, 0x40
%%next: and   qword [PT + rax * 8], ~P
        and   qword [PT + 0x10 * 8 + rax * 8], ~P
        inc   eax
        cmp   eax, 0x44
        jb    %%next
        mov   rax, cr3
        mov   cr3, rax
%endmacro
        mov   ebp, 5
turn:   lose_all
        mov   esi, SOURCE
        mov   edi, TARGET
        mov   ecx, COUNT
        rep   movsb
        mov   r9, rsi
        mov   r10, rdi
        call  compare
        jne   wrong
        lose_all
        mov   esi, SOURCE
        mov   edi, TARGET
        mov   ecx, COUNT / 8
        rep   movsq
        mov   ecx, COUNT % 8
        rep   movsb
        call  compare
        jne   wrong
        dec   ebp
        jnz   turn
wrong:  hlt
compare:
        mov   esi, SOURCE
        mov   edi, TARGET
        mov   ecx, COUNT
        repe  cmpsb
        mov   byte [TARGET + 0x1234], 0
        ret
pager:  push  rax
        mov   rax, cr2
        shr   rax, 12
        or    qword [PT + rax * 8], P
        inc   dword [RESULT]
        pop   rax
        add   rsp, 8
        iretq
