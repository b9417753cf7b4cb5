; BT with a register index reaches beyond its operand, also downwards.
; mode:   long64
; org:    0x100000
; runs:   interpreter translator host
; source: Intel SDM Vol. 2, "BT", "BTS"
; expect: mem[0x140000]=qword:0x8000000000000000 mem[0x140010]=qword:4 rax=1
%include "host.inc"
        mov   edi, HOST_DATA + 8
        mov   rbx, -1
        bts   [rdi], rbx
        mov   ebx, 66
        bts   [rdi], rbx
        bt    word [rdi], bx
        setc  al
        movzx eax, al
        hlt
