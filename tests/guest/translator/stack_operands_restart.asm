; PUSH [mem], CALL [mem] and POP [mem] whose operand or stack is missing, in a loop: the handler maps the
; page and returns, and RSP moves once.
; mode:   long64
; source: Intel SDM Vol. 3A, "Exception Classifications" (faults restart)
; expect: mem[RESULT]=dword:300 rbx=0x38e28 r8=100 mem[0x30018]=qword:0x1234 mem[0x30010]=qword:1 rsp=0x7c00 ebp=0
%include "long64.inc"
        install_handlers64
        mov   word [IDT + 14 * 16], pager
        mov   byte [IDT + 14 * 16 + 4], 1       ; On IST1: the stack may be what is missing.
        mov   qword [0x30000], 0x1234
        mov   qword [0x30008], callee
        xor   ebx, ebx
        xor   r8d, r8d
        mov   ebp, 50
%macro lose 1
        and   qword [PTE(%1)], ~P
        invlpg [%1]
%endmacro
turn:   lose  0x30000
        push  qword [0x30000]
        pop   rax
        add   rbx, rax
        lose  0x30000
        call  [0x30008]
        lose  0x30000
        push  rbp
        pop   qword [0x30010]
        mov   r12, rsp
        mov   esp, 0x34000
        lose  0x33000
        push  qword [0x30000]
        lose  0x33000
        pop   qword [0x30018]
        lose  0x33000
        call  [0x30008]
        cmp   rsp, 0x34000
        jne   wrong
        mov   rsp, r12
        dec   ebp
        jnz   turn
wrong:  hlt
callee: inc   r8d
        ret
pager:  push  rax
        mov   rax, cr2
        shr   rax, 12
        or    qword [PT + rax * 8], P
        inc   dword [RESULT]
        pop   rax
        add   rsp, 8
        iretq
