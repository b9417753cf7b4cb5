; IRETQ in ring 0 always pops SS:RSP, and accepts a null SS.
; mode:   long64
; source: Intel SDM Vol. 2, "IRET/IRETD/IRETQ", Operation (IA-32e-MODE)
; expect: rsp=0x5f00 ss=0 cs=0x08 rflags=ZF|CF log=1 log[0]=#GP(0)@far_rip
%include "long64.inc"
        install_handlers64
        mov   rax, 0x8000_0000_0000_0000
        push  DATA64
        push  PROGRAM_STACK
        push  2
        push  CODE64
        push  rax
        try   after
far_rip:
        iretq
after:  push  0
        push  0x5f00
        push  FLAG_ZF | FLAG_CF | 2
        push  CODE64
        push  done
        iretq
done:   hlt
