; RCL and RCR of 8 and 16 bits count modulo 9 and 17.
; mode:   long64
; org:    0x100000
; runs:   interpreter translator host
; source: Intel SDM Vol. 2, "RCL/RCR/ROL/ROR"
; expect: rax=0x81 rbx=0x8001 rdx=0xc0 rsi=3
%include "host.inc"
        mov   eax, 0x81
        mov   ecx, 9
        stc
        rcl   al, cl
        setc  sil
        mov   ebx, 0x8001
        mov   ecx, 17
        stc
        rcr   bx, cl
        setc  dil
        movzx esi, sil
        movzx edi, dil
        lea   esi, [rsi + rdi * 2]
        mov   edx, 0x81
        stc
        rcr   dl, 1
        hlt
