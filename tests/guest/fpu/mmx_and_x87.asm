; MMX marks all x87 registers valid with TOP 0 and exponents of ones; EMMS empties them.
; mode:   long64
; source: Intel SDM Vol. 1, "MMX State and x87 FPU State Sharing"
; expect: mem[RESULT]=word:0xffff mem[RESULT+8]=word:0/0x3800 mem[RESULT+16]=byte:0xff mem[RESULT+18]=qword:0x5566 mem[RESULT+26]=word:0xffff
%include "long64.inc"
        fninit
        fld1
        mov   eax, 0x5566
        movq  mm0, rax
        fnstenv [SCRATCH]
        mov   ax, [SCRATCH + 4]
        mov   [RESULT + 8], ax
        fxsave [SCRATCH]
        mov   al, [SCRATCH + 4]
        mov   [RESULT + 16], al
        fldcw [control]
        fnsave [SCRATCH]
        mov   rax, [SCRATCH + 28]
        mov   [RESULT + 18], rax
        mov   ax, [SCRATCH + 36]
        mov   [RESULT + 26], ax
        pxor  mm0, mm0
        emms
        fnstenv [SCRATCH]
        mov   ax, [SCRATCH + 8]
        mov   [RESULT], ax
        hlt
control: dw   0x37f
