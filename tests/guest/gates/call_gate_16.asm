; A 16-bit call gate pushes words, also from 32-bit code, and counts its parameters in words.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Call Gates", "Stack Switching"; "Transferring Control Among Mixed-Size Code Segments"
; expect: mem[RESULT]=dword:0x6ff6 mem[RESULT+8]=word:back mem[RESULT+10]=word:0x2b mem[RESULT+12]=word:0x7777
; expect: mem[RESULT+14]=word:0x5ffe mem[RESULT+16]=word:0x33 mem[RESULT+4]=dword:0x6000 log=0
%include "protected32.inc"
        install_handlers32
        mov   eax, inner
        mov   [GDT + FREE_SELECTOR], ax
        mov   word [GDT + FREE_SELECTOR + 2], CODE32
        mov   dword [GDT + FREE_SELECTOR + 4], 0xbad0e401       ; The offset's upper half does not count.
        to_ring3
        push  word 0x7777
        call  FREE_SELECTOR | 3:0
back:   mov   [RESULT + 4], esp
        to_ring0
        hlt
inner:  mov   [RESULT], esp
        push  ss
        pop   es
        mov   esi, esp
        mov   edi, RESULT + 8
        mov   ecx, 5
        rep   movsw
        o16   retf 2
