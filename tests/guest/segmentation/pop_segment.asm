; POP of a segment register moves the stack by the operand size and takes 16 bits.
; mode:   protected32
; source: Intel SDM Vol. 2, "POP", "PUSH"
; expect: log=1 log[0]=#GP(0x58)@bad,sp=0x7bfc es=0x33 esp=0x7bfa ebx=0x7bfc
%include "protected32.inc"
        install_handlers32
        push  dword 0xffff0000 | UDATA32
        pop   es
        push  dword TSS_SELECTOR
        try   after
bad:    pop   fs
after:  mov   ebx, esp
        o16   push ds
        hlt
