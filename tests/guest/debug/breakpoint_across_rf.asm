; IRET with RF lets exactly one instruction run past its breakpoint: the second visit breaks again.
; mode:   protected32
; source: Intel SDM Vol. 3B, "Instruction-Breakpoint Exception Condition" (RF)
; expect: log=2 log[0]=#DB@again,dr6=1/0xf log[1]=#DB@again,dr6=1/0xf ecx=0
%include "protected32.inc"
        install_handlers32
        mov   eax, again
        mov   dr0, eax
        mov   eax, 0x402
        mov   dr7, eax
        mov   ecx, 2
again:  dec   ecx
        jnz   again
        hlt
