; Through a gate to the same ring only the return address is pushed; a far jump pushes nothing.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Accessing a Code Segment Through a Call Gate"
; expect: mem[RESULT]=dword:0x7bf8 mem[RESULT+4]=dword:back mem[RESULT+8]=dword:0x7c00 mem[RESULT+12]=dword:0x18 log=0
%include "protected32.inc"
        install_handlers32
        mov   eax, target
        mov   [GDT + FREE_SELECTOR], ax
        mov   word [GDT + FREE_SELECTOR + 2], CODE32
        mov   dword [GDT + FREE_SELECTOR + 4], 0x8c05   ; Parameters are copied only to an inner ring.
        xor   ebx, ebx
        call  FREE_SELECTOR:0
back:   inc   ebx
        jmp   FREE_SELECTOR:0
target: test  ebx, ebx
        jnz   jumped
        mov   [RESULT], esp
        mov   eax, [esp]
        mov   [RESULT + 4], eax
        mov   eax, [esp + 4]
        mov   [RESULT + 12], eax
        retf
jumped: mov   [RESULT + 8], esp
        hlt
