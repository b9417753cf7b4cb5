; XSAVE stores what XCR0 and EDX:EAX select, and XRSTOR initializes what the image says is initial.
; mode:   long64
; source: Intel SDM Vol. 1, "Operation of XSAVE", "Operation of XRSTOR"
; expect: xcr0=7 mem[0x20200]=qword:4/6 xmm1=0 ymm1.top=0 ymm2.top=0x1111111111111111 log=0
%include "long64.inc"
        install_handlers64
        mov   rax, cr4
        or    rax, CR4_OSXSAVE
        mov   cr4, rax
        xor   ecx, ecx
        xor   edx, edx
        mov   eax, 7
        xsetbv
        mov   rax, 0x1111111111111111
        mov   [RESULT], rax
        vbroadcastsd ymm2, [RESULT]
        mov   eax, 4
        xor   edx, edx
        xsave [SCRATCH]
        vbroadcastsd ymm1, [RESULT]
        vzeroupper
        vbroadcastsd ymm1, [RESULT]
        mov   eax, 6            ; SSE is not in the image: initial. AVX is.
        xrstor [SCRATCH]
        hlt
