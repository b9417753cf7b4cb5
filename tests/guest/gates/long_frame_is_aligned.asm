; Long mode aligns the stack to sixteen bytes before it pushes, and always pushes SS:RSP.
; mode:   long64
; source: Intel SDM Vol. 3A, "64-Bit Mode Stack Frame"
; expect: log=3 log[0]=0x31,sp=0x7bf8,frame=0x7bc8,ss=0x20 log[1]=0x31,sp=0x7bf1,frame=0x7bc8 log[2]=#GP(0)@bad,sp=0x7bf0,frame=0x7bc0
; expect: rsp=0x7bf0
%include "long64.inc"
        install_handlers64
        mov   esp, 0x7bf8
        int   0x31
        mov   esp, 0x7bf1
        int   0x31
        mov   esp, 0x7bf0
        try   done
        mov   rbx, 0x8000_0000_0000_0000
bad:    mov   rax, [rbx]
done:   hlt
