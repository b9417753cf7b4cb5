; Unknown MSRs, reserved bits and non-canonical addresses are #GP(0).
; mode:   long64
; source: Intel SDM Vol. 2, "RDMSR", "WRMSR"
; expect: log=5 log[0]=#GP(0)@unknown_read log[1]=#GP(0)@unknown_write log[2]=#GP(0)@lstar log[3]=#GP(0)@fs_base log[4]=#GP(0)@pat fs.base=0x123456789
%include "long64.inc"
        install_handlers64
%macro refuse 2+                ; label, instruction
        try   after_%1
%1:     %2
after_%1:
%endmacro
        mov   ecx, 0x0badbad0
        refuse unknown_read, rdmsr
        xor   eax, eax
        xor   edx, edx
        refuse unknown_write, wrmsr
        mov   ecx, 0xc0000082
        mov   edx, 0x00010000
        refuse lstar, wrmsr
        mov   ecx, 0xc0000100
        refuse fs_base, wrmsr
        mov   ecx, 0x277
        mov   eax, 2            ; No such memory type.
        xor   edx, edx
        refuse pat, wrmsr
        set_msr 0xc0000100, 0x123456789
        hlt
