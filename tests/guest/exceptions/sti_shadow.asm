; After STI one more instruction runs before an interrupt is taken; CLI in it wins.
; mode:   protected32
; source: Intel SDM Vol. 2, "STI"
; expect: log=1 log[0]=0x31@here eax=1 ebx=0
%include "protected32.inc"
        install_handlers32
        xor   eax, eax
        xor   ebx, ebx
        mov   al, 0x31
        out   PORT_INTR, al
        xor   eax, eax
        sti
        cli
        nop
        nop
        sti
        inc   eax
here:   nop
        hlt
