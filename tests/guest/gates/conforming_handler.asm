; A handler in conforming code runs at the interrupted privilege, on the interrupted stack.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Protection of Exception- and Interrupt-Handler Procedures"
; expect: mem[RESULT]=word:0x6b mem[RESULT+4]=dword:0x5ff4 mem[RESULT+8]=word:0x33 log=0
%include "protected32.inc"
        install_handlers32
        set_gate32 0x31, CONFORMING32, handler, 0xee
        to_ring3
        int   0x31
        to_ring0
        hlt
handler:
        mov   [RESULT], cs
        mov   [RESULT + 4], esp
        mov   [RESULT + 8], ss
        iretd
