; LEAVE in a loop, until RBP is no canonical address: the stack fault leaves RSP where it was.
; mode:   long64
; source: Intel SDM Vol. 2, "LEAVE" (#SS(0) if the stack address is non-canonical); Vol. 3A, "Exception Classifications"
; expect: log=1 log[0]=#SS(0)@turn rbp=0x8000000000000000 rsp=0x7c00 ecx=1
%include "long64.inc"
        install_handlers64
        mov   rax, 0x8000000000000000
        mov   [0x30000], rax
        mov   ecx, 50
again:  mov   ebp, 0x30000
        cmp   ecx, 1
        jne   leaves
        mov   rbp, rax
        try   after
leaves: mov   r9d, 0x7c00
turn:   leave
        dec   ecx
        mov   r10, rsp
        mov   rsp, r9
        jnz   again
after:  hlt
