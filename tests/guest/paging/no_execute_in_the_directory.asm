; NX in any level forbids the fetch.
; mode:   long64
; source: Intel SDM Vol. 3A, "Determination of Access Rights"
; expect: log=1 log[0]=#PF(0x11)@0x400000 mem[0x400000]=byte:0xf4
%include "long64.inc"
        install_handlers64
        mov   byte [0x400000], 0xf4
        bts   qword [PD + 16], 63
        mov   rcx, cr3
        mov   cr3, rcx
        try   done
        mov   eax, 0x400000
        jmp   rax
done:   hlt
