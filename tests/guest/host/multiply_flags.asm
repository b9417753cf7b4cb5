; CF and OF of MUL and IMUL say whether the upper half means anything.
; mode:   long64
; org:    0x100000
; runs:   interpreter translator host
; source: Intel SDM Vol. 2, "MUL", "IMUL"
; expect: rax=0x8000000000000000 rdx=0 rsi=0x101 rdi=0xfffffffffffffffe
%include "host.inc"
        mov   eax, 0x10000
        mov   ebx, 0x10000
        mul   ebx
        setc  sil
        movzx esi, sil
        mov   eax, 3
        mov   ecx, -2
        imul  cl
        setc  r8b
        mov   edi, 0x40000000
        imul  edi, edi, 4
        seto  r9b
        movzx r9d, r9b
        shl   r9d, 8
        or    esi, r9d
        mov   rdi, -1
        imul  rdi, rdi, 2
        mov   rax, 0x4000000000000000
        mov   ecx, 2
        mul   rcx
        hlt
