; LAR and LSL: ZF says whether the selector can be used; if not, the destination is not touched.
; mode:   protected32
; source: Intel SDM Vol. 2, "LAR", "LSL"
; expect: mem[RESULT]=dword:0x00c09b00/0xfff0ff00 mem[RESULT+4]=dword:0xffffffff mem[RESULT+8]=dword:0x67
; expect: mem[RESULT+12]=dword:0x77777777 mem[RESULT+16]=dword:0x77777777 mem[RESULT+20]=dword:0x0000ec00/0xfff0ff00
; expect: mem[RESULT+24]=dword:0x77777777 mem[RESULT+28]=dword:0x77777777 mem[RESULT+32]=dword:0x77777777 log=0
%include "protected32.inc"
        install_handlers32
        store64 GDT + FREE_SELECTOR, GATE(CODE32, 0x1234, 0xec, 0)
        store64 GDT + FREE_SELECTOR + 8, GATE(CODE32, 0x1234, 0xee, 0)
        mov   edi, RESULT
%macro ask 3                    ; instruction, selector, ZF expected
        mov   eax, 0x77777777
        mov   ecx, %2
        %1    eax, ecx
%if %3
        jnz   wrong
%else
        jz    wrong
%endif
        stosd
%endmacro
        ask   lar, CODE32, 1
        ask   lsl, DATA32, 1
        ask   lsl, TSS_SELECTOR, 1
        ask   lar, 0, 0
        ask   lsl, 0x400, 0
        ask   lar, FREE_SELECTOR, 1             ; A call gate has rights,
        ask   lsl, FREE_SELECTOR, 0             ; but no limit.
        ask   lar, FREE_SELECTOR + 8, 0         ; An interrupt gate has no place in a GDT.
        ask   lar, CODE32 | 3, 0                ; DPL 0 is not visible with RPL 3.
        hlt
wrong:  mov   dword [RESULT], 0
        hlt
