; What FXSAVE stored FXRSTOR brings back: x87 stack, tags, control words and XMM registers.
; mode:   long64
; source: Intel SDM Vol. 2, "FXSAVE", "FXRSTOR"
; expect: fcw=0x27f st0=0x8000000000000000 st0.exponent=0x3fff st1.exponent=0x4000 xmm15=0x77 mem[0x20004]=byte:0xc0 mxcsr=0x9f80
%include "long64.inc"
        fninit
        fldcw [word_27f]
        fldpi
        fld1
        mov   eax, 0x77
        movq  xmm15, rax
        ldmxcsr [mxcsr_value]
        fxsave [SCRATCH]
        fninit
        pxor  xmm15, xmm15
        ldmxcsr [mxcsr_default]
        fxrstor [SCRATCH]
        hlt
word_27f:       dw 0x27f
mxcsr_value:    dd 0x9f80
mxcsr_default:  dd 0x1f80
