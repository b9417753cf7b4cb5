; With IOPL 3 the program owns IF; PUSHF shows IOPL, POPF cannot change it or VM.
; mode:   protected32
; source: Intel SDM Vol. 3B, "Sensitive Instructions"; Vol. 2, "POPF/POPFD/POPFQ"
; expect: mem[RESULT]=word:0x3002/0x3202 mem[RESULT+2]=word:0x3202/0x3202 mem[RESULT+4]=word:0x3046/0x7246 log=0
%include "v86.inc"
        install_handlers32
        to_v86 3
        cli
        pushf
        pop   word [RESULT]
        sti
        pushf
        pop   word [RESULT + 2]
        push  word 0x0046
        popf
        pushf
        pop   word [RESULT + 4]
        leave_v86
        hlt
