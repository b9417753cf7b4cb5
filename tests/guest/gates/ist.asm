; A gate's IST field takes the stack from the TSS, from whatever ring, also without a change of ring.
; mode:   long64
; source: Intel SDM Vol. 3A, "Interrupt Stack Table"
; expect: log=2 log[0]=0x31,frame=0x67d8,sp=0x7c00,ss=0x20 log[1]=0x32,frame=0x63d8,sp=0x6000,ss=0x43
%include "long64.inc"
        install_handlers64
        mov   byte [IDT + 0x31 * 16 + 4], 1
        mov   byte [IDT + 0x32 * 16 + 4], 2
        int   0x31
        to_ring3_64
        int   0x32
        to_ring0
        hlt
