; With DR7.GD any access to a debug register is #DB before it happens, with BD; GD is then off.
; mode:   protected32
; source: Intel SDM Vol. 3B, "General-Detect Exception Condition"
; expect: log=1 log[0]=#DB@access,dr6=0x2000/0x2000 eax=0x400 dr7=0x400
%include "protected32.inc"
        install_handlers32
        mov   eax, 0x400 | 1 << 13
        mov   dr7, eax
        xor   eax, eax
access: mov   eax, dr7
        hlt
