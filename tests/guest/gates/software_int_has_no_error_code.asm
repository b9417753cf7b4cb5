; INT 13 enters the handler of #GP, but pushes no error code.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Error Code"
; expect: eax=0x7bf4 ebx=back
%include "protected32.inc"
        install_handlers32
        set_gate32 13, CODE32, handler, 0x8e
        int   13
back:   hlt
handler:
        mov   eax, esp
        mov   ebx, [esp]
        hlt
