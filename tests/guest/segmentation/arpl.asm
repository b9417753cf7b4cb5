; ARPL raises the RPL of its destination to that of its source and says so in ZF.
; mode:   protected32
; source: Intel SDM Vol. 2, "ARPL"
; expect: eax=0x1113 edx=0x2223 mem[RESULT]=word:0x3332 esi=1 edi=0
%include "protected32.inc"
        mov   eax, 0x1110
        mov   ebx, 0xff03
        arpl  ax, bx
        setz  cl
        movzx esi, cl
        mov   edx, 0x2223
        mov   ebx, 1
        arpl  dx, bx
        setz  cl
        movzx edi, cl
        mov   word [RESULT], 0x3330
        mov   ebx, 2
        arpl  [RESULT], bx
        hlt
