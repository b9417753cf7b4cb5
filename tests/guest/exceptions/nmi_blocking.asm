; A second NMI waits until IRET; a nested IRET ends the blocking early.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Handling Multiple NMIs"
; expect: mem[RESULT]=dword:2 mem[RESULT+4]=dword:1 mem[RESULT+8]=dword:1 mem[RESULT+12]=dword:back
%include "protected32.inc"
        install_handlers32
        set_gate32 2, CODE32, nmi, 0x8e
        out   PORT_NMI, al
back:   hlt
nmi:    inc   dword [RESULT]
        cmp   dword [RESULT], 2
        je    .second
        out   PORT_NMI, al      ; Pending: it must not come before the IRET.
        nop
        nop
        mov   eax, [RESULT]
        mov   [RESULT + 4], eax
        inc   dword [RESULT + 8]
        iretd
.second:
        mov   eax, [esp]
        mov   [RESULT + 12], eax
        iretd
