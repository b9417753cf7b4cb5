; CMPXCHG writes the accumulator on failure, the destination on success; CMPXCHG16B does both halves.
; mode:   long64
; org:    0x100000
; runs:   interpreter translator host
; source: Intel SDM Vol. 2, "CMPXCHG", "CMPXCHG8B/CMPXCHG16B"
; expect: rax=0x55 rdx=0x66 mem[0x140000]=qword:0x11 mem[0x140008]=qword:0x22 rsi=0x77 r8=1 r9=0
%include "host.inc"
        mov   edi, HOST_DATA
        mov   qword [rdi], 0x55
        mov   qword [rdi + 8], 0x66
        xor   eax, eax
        xor   edx, edx
        mov   ebx, 0x11
        mov   ecx, 0x22
        lock  cmpxchg16b [rdi]
        setz  r9b
        movzx r9d, r9b
        lock  cmpxchg16b [rdi]
        setz  r8b
        movzx r8d, r8b
        push  rax
        mov   esi, 0x99
        mov   eax, 0x77
        cmpxchg esi, ebx        ; Fails: EAX = 99h.
        mov   esi, 0x77
        pop   rax
        hlt
