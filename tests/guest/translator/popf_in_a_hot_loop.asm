; POPF in ring 0 loads every flag of its image, whichever of them change, and 16 bits of it leave the upper ones alone.
; mode:   long64
; source: Intel SDM Vol. 2, "POPF/POPFD/POPFQ", table "Effect of POPF/POPFD on the EFLAGS Register"
; expect: mem[RESULT]=dword:0 mem[RESULT+4]=dword:2048 log=0
%include "long64.inc"
CHANGED equ FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_IF | FLAG_DF | FLAG_OF | FLAG_NT | FLAG_AC | FLAG_ID
UPPER   equ FLAG_AC | FLAG_ID
        install_handlers64
        mov   dword [RESULT], 0
        mov   dword [RESULT + 4], 0
        mov   r8d, CHANGED
        xor   r9d, r9d
turn:   imul  ecx, r9d, 0x4e35          ; Neighbours differ in many flags.
        pdep  eax, ecx, r8d
        push  rax
        popfq
        pushfq
        pop   rbx
        lea   edx, [rax + 2]
        call  compare
        not   eax                       ; Low half: all others. Upper half: stays.
        and   eax, CHANGED & 0xffff
        push  ax
        popfw
        pushfq
        pop   rbx
        and   edx, UPPER
        lea   edx, [rdx + rax + 2]
        call  compare
        inc   r9d
        cmp   r9d, 1024
        jne   turn
        push  qword 2
        popfq
        hlt

compare:
        cmp   ebx, edx
        je    .same
        inc   dword [RESULT]
.same:  inc   dword [RESULT + 4]
        ret
