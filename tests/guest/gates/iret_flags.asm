; IRET in ring 3 changes neither IOPL nor, below it, IF; in ring 0 it changes both.
; mode:   protected32
; source: Intel SDM Vol. 2, "IRET/IRETD/IRETQ", Operation
; expect: mem[RESULT]=dword:0x42/0x3242 mem[RESULT+4]=dword:0x3202/0x3202 log=0
%include "protected32.inc"
        install_handlers32
        push  dword FLAG_IOPL | FLAG_IF | 2
        push  dword CODE32
        push  dword first
        iretd
first:  pushfd
        pop   dword [RESULT + 4]
        push  dword 2
        popfd
        to_ring3
        push  dword FLAG_IOPL | FLAG_IF | FLAG_ZF | 2
        push  dword UCODE32
        push  dword second
        iretd
second: pushfd
        pop   dword [RESULT]
        to_ring0
        hlt
