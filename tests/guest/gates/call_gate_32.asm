; A call through a 32-bit gate to an inner ring: the stack comes from the TSS, the parameters are
; copied, and the far return releases them on both stacks.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Accessing a Code Segment Through a Call Gate", "Stack Switching"
; expect: mem[RESULT]=dword:0x2222 mem[RESULT+4]=dword:0x1111 mem[RESULT+8]=dword:0x6fe8 mem[RESULT+12]=word:0x18
; expect: mem[RESULT+16]=dword:0x6000 mem[RESULT+20]=word:0x33 mem[RESULT+24]=dword:back mem[RESULT+28]=dword:0x2b
; expect: mem[RESULT+32]=dword:0x5ff8 mem[RESULT+36]=word:0x33 mem[RESULT+40]=word:0x20 log=0
%include "protected32.inc"
        install_handlers32
        mov   eax, inner
        mov   [GDT + FREE_SELECTOR], ax
        mov   word [GDT + FREE_SELECTOR + 2], CODE32
        mov   word [GDT + FREE_SELECTOR + 4], 0xec02    ; Present, DPL 3, two dwords.
        mov   word [GDT + FREE_SELECTOR + 6], 0
        to_ring3
        push  dword 0x1111
        push  dword 0x2222
        call  FREE_SELECTOR | 3:0xdeadbeef
back:   mov   [RESULT + 16], esp
        mov   [RESULT + 20], ss
        to_ring0
        hlt
inner:  mov   [RESULT + 8], esp
        mov   [RESULT + 12], cs
        mov   [RESULT + 40], ss
        mov   eax, [esp]
        mov   [RESULT + 24], eax
        mov   eax, [esp + 4]
        mov   [RESULT + 28], eax
        mov   eax, [esp + 8]
        mov   [RESULT], eax
        mov   eax, [esp + 12]
        mov   [RESULT + 4], eax
        mov   eax, [esp + 16]
        mov   [RESULT + 32], eax
        mov   eax, [esp + 20]
        mov   [RESULT + 36], eax
        retf  8
