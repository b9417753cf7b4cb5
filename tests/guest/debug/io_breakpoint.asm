; With CR4.DE, R/W = 10b breaks on ports, after IN and OUT; any byte of the access counts.
; mode:   protected32
; source: Intel SDM Vol. 3B, "Data Memory and I/O Breakpoint Exception Conditions"
; expect: log=2 log[0]=#DB@after_out,dr6=1/0xf log[1]=#DB@after_in,dr6=1/0xf
%include "protected32.inc"
        install_handlers32
        mov   eax, cr4
        or    eax, CR4_DE
        mov   cr4, eax
        mov   eax, 0x81
        mov   dr0, eax
        mov   eax, 0x400 | 2 | 2 << 16
        mov   dr7, eax
        out   0x80, al
        out   0x81, al
after_out:
        in    eax, 0x80
after_in:
        in    al, 0x82
        hlt
