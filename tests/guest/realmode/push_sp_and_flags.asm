; PUSH SP pushes the old SP; PUSHF has bits 12-15 as the program set them; POPF changes IF without IOPL.
; mode:   real
; source: Intel SDM Vol. 2, "PUSH", "PUSHF/PUSHFD/PUSHFQ", "POPF/POPFD/POPFQ"
; expect: ax=0x7c00 bx=0x7202/0x7202 rflags!=IF
%include "real.inc"
        push  sp
        pop   ax
        push  word 0x7202
        popf
        cli
        sti
        pushf
        pop   bx
        cli
        hlt
