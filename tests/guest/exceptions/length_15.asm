; Fifteen bytes are an instruction, sixteen are #GP(0) - whatever they would mean.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Interrupt 13—General Protection Exception (#GP)"; Vol. 2, "Instruction Format"
; expect: log=1 log[0]=#GP(0)@sixteen eax=1
%include "protected32.inc"
        install_handlers32
        xor   eax, eax
        times 14 db 0x66        ; The last prefix and INC AX: fifteen bytes.
        inc   eax
        try   done
sixteen:
        times 15 db 0x2e
        inc   eax
done:   hlt
