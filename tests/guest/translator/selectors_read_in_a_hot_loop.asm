; MOV from a segment register: 16 bits of the destination, or all of it with zeros above; flags stay.
; mode:   long64
; source: Intel SDM Vol. 2, "MOV": 16 bits leave the rest of the register alone, wider operands have zeros above
; expect: rax=0x1122334455660008 rdx=0x10 rbx=0xffffffffffff0010 r14=0xffffffff00000010 r15=0x8 rbp=100 log=0
%include "long64.inc"
        install_handlers64
        mov   ecx, DATA64
        mov   ds, ecx
        mov   es, ecx
        mov   ss, ecx
        xor   ebp, ebp
        mov   r9d, 100
turn:   mov   rax, 0x1122334455667788
        mov   ax, cs
        mov   rdx, -1
        mov   rdx, ds
        mov   rbx, -1
        mov   bx, es
        mov   r14, 0xffffffff00000000
        mov   r15, -1
        stc
        mov   r14w, ss
        mov   r15d, cs
        adc   ebp, 0
        dec   r9d
        jnz   turn
        hlt
