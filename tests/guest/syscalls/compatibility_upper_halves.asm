; What 64-bit code left in the upper halves of registers does not matter to 32-bit code, and cannot be seen by it.
; mode:   long64
; source: Intel SDM Vol. 1, "General-Purpose Registers in 64-Bit Mode"; Vol. 3A, "Compatibility Mode"
; expect: mem[RESULT]=dword:10000 mem[RESULT+4]=dword:10000 mem[RESULT+8]=dword:0x5678
%include "long64.inc"
        install_handlers64
        mov   rdx, 0xdeadbeef00000000
        lea   rbx, [rdx + RESULT]
        lea   rsi, [rdx + RESULT - 0x10]
        lea   rdi, [rdx + SCRATCH]
        lea   rbp, [rdx + 10000]
        mov   eax, 0
        mov   [RESULT], rax
        to_ring3_32
again:  inc   dword [ebx]
        add   dword [esi + 0x14], 1
        push  ebp
        pop   eax
        mov   [edi], eax
        dec   ebp
        jnz   again
        mov   dword [edi + ebp * 4], 0x5678
        mov   eax, [edi]
        mov   [ebx + 8], eax
        to_ring0
        hlt
