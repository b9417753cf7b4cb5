; An instruction breakpoint is a fault before the instruction; RF in the returned image lets it run.
; mode:   protected32
; source: Intel SDM Vol. 3B, "Instruction-Breakpoint Exception Condition"
; expect: log=2 log[0]=#DB@first,dr6=0xffff0ff1 log[1]=#DB@second,dr6=0xffff0ff8 eax=2
%include "protected32.inc"
        install_handlers32
        mov   eax, first
        mov   dr0, eax
        mov   eax, second
        mov   dr3, eax
        mov   eax, 0x400 | 0x82 ; G0, G3
        mov   dr7, eax
        xor   eax, eax
first:  inc   eax
second: inc   eax
        hlt
