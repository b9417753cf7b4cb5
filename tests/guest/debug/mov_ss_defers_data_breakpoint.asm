; A data breakpoint hit by MOV SS from memory is held until after the next instruction.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Masking Exceptions and Interrupts When Switching Stacks"
; expect: log=1 log[0]=#DB@behind,dr6=1/0xf
%include "protected32.inc"
        install_handlers32
        mov   word [SCRATCH], DATA32
        mov   eax, SCRATCH
        mov   dr0, eax
        mov   eax, 0x400 | 2 | 7 << 16
        mov   dr7, eax
        mov   ss, [SCRATCH]
        nop
behind: nop
        hlt
