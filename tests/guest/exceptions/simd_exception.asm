; An unmasked SSE exception is #XM, or #UD without CR4.OSXMMEXCPT; the destination stays.
; mode:   long64
; source: Intel SDM Vol. 3A, "Interrupt 19—SIMD Floating-Point Exception (#XM)"
; expect: log=2 log[0]=#XM@divide log[1]=#UD@divide_again xmm0=0x3f8000003f800000 mxcsr=0x1d84
%include "long64.inc"
        install_handlers64
        movaps xmm0, [ones]
        ldmxcsr [divide_by_zero_unmasked]
        xorps xmm1, xmm1
        try   after
divide: divps xmm0, xmm1
after:  mov   rax, cr4
        and   rax, ~CR4_OSXMMEXCPT
        mov   cr4, rax
        try   done
divide_again:
        divps xmm0, xmm1
done:   hlt
divide_by_zero_unmasked: dd 0x1d80
align 16
ones:   dd    1.0, 1.0, 1.0, 1.0
