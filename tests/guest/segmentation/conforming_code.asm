; Ring 3 may call conforming code of ring 0; it stays in ring 3.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Accessing Conforming Code Segments"
; expect: mem[RESULT]=word:0x6b mem[RESULT+4]=dword:back log=1 log[0]=#GP(0)@privileged,cs=0x6b
%include "protected32.inc"
        install_handlers32
        to_ring3
        call  CONFORMING32:conforming
back:   to_ring0
        hlt
conforming:
        mov   [RESULT], cs
        mov   eax, [esp]
        mov   [RESULT + 4], eax
        try   after
privileged:
        cli                     ; IOPL is 0, CPL still 3.
after:  retf
