; SMEP: ring 0 may read and write pages of the user, not execute them.
; mode:   long64
; source: Intel SDM Vol. 3A, "Determination of Access Rights"; "Page-Fault Exceptions"
; expect: log=1 log[0]=#PF(0x11)@0x30000,cr2=0x30000 eax=0xf4 cr4=0x100000/0x100000
%include "long64.inc"
        install_handlers64
        supervisor_pages 0, 16
        mov   rax, cr4
        or    rax, CR4_SMEP
        mov   cr4, rax
        mov   byte [0x30000], 0xf4
        movzx eax, byte [0x30000]
        try   done
        mov   ebx, 0x30000
        jmp   rbx
done:   hlt
