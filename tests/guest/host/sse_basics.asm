; Scalar moves clear or keep, and comparisons set ZF, PF and CF.
; mode:   long64
; org:    0x100000
; runs:   interpreter translator host
; source: Intel SDM Vol. 2, "MOVSD", "UCOMISD", "CVTTSD2SI"
; expect: xmm0=0x4008000000000000 xmm0.high=0 xmm1=0x4008000000000000 xmm1.high=0x5555 rax=0x8000000000000000 rbx=1 rflags=ZF|PF|CF
%include "host.inc"
        lea   rsi, [three]
        mov   eax, 0x5555
        movq  xmm1, rax
        pslldq xmm1, 8
        movsd xmm0, [rsi]
        movsd xmm1, xmm0
        movsd xmm2, [rsi + 8]
        cvttsd2si rax, xmm2
        xor   ebx, ebx
        ucomisd xmm0, xmm1
        sete  bl
        ucomisd xmm0, xmm2
        hlt
align 8
three:  dq    3.0
        dq    0x7ff8000000000000
