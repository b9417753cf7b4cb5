; After MOV SS interrupts wait for one more instruction, so that ESP can follow.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Masking Exceptions and Interrupts When Switching Stacks"
; expect: log=2 log[0]=0x31@first,sp=0x5000 log[1]=0x32@second,sp=0x5100
%include "protected32.inc"
        install_handlers32
        mov   ebx, DATA32
        mov   ecx, 0x5000
        mov   al, 0x31
        out   PORT_INTR, al
        sti
        mov   ss, bx
        mov   esp, ecx
first:  cli
        mov   al, 0x32
        out   PORT_INTR, al
        push  ebx
        sti
        pop   ss
        mov   esp, 0x5100
second: nop
        hlt
