; Without CR4.OSFXSR, SSE is #UD; MMX and PREFETCH are not. Without OSXSAVE, AVX and XGETBV are #UD.
; mode:   long64
; source: Intel SDM Vol. 3A, "Control Registers", OSFXSR, OSXSAVE
; expect: log=4 log[0]=#UD@sse log[1]=#UD@ldmxcsr_ log[2]=#UD@xgetbv_ log[3]=#UD@avx
%include "long64.inc"
        install_handlers64
        mov   rax, cr4
        and   rax, ~(CR4_OSFXSR | CR4_OSXSAVE)
        mov   cr4, rax
%macro refuse 2+                ; label, instruction
        try   after_%1
%1:     %2
after_%1:
%endmacro
        refuse sse, movaps xmm0, xmm1
        refuse ldmxcsr_, ldmxcsr [RESULT]
        refuse xgetbv_, xgetbv
        refuse avx, vaddps xmm0, xmm1, xmm2
        pxor  mm0, mm0
        prefetcht0 [rax]
        hlt
