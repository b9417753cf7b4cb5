; One indirect call and one indirect jump with 64 targets each, in an order that repeats every 64 turns.
; mode:   long64
; org:    0x100000
; runs:   interpreter translator host
; limit:  200000
; source: Intel SDM Vol. 2, "CALL", "JMP"
; expect: ebx=8540800 edx=201600 ecx=0 rsp=0x180000
%include "host.inc"
        xor   eax, eax
        xor   ebx, ebx
        xor   edx, edx
        mov   ecx, 6400
turn:   lea   eax, [eax * 5 + 1]
        and   eax, 63
        call  [calls + rax * 8]
        jmp   [jumps + rax * 8]
joined: dec   ecx
        jnz   turn
        hlt
%assign i 0
%rep 64
call_ %+ i:
        add   ebx, i * i + 1
        ret
jump_ %+ i:
        add   edx, i
        jmp   joined
%assign i i + 1
%endrep
align 8
calls:
%assign i 0
%rep 64
        dq    call_ %+ i
%assign i i + 1
%endrep
jumps:
%assign i 0
%rep 64
        dq    jump_ %+ i
%assign i i + 1
%endrep
