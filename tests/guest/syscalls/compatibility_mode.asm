; 32-bit code under long mode: addresses of 32 bits, segment limits count, 32-bit pushes; interrupts
; enter 64-bit handlers with a 64-bit frame.
; mode:   long64
; source: Intel SDM Vol. 3A, "Compatibility Mode"
; expect: mem[RESULT]=dword:4 mem[RESULT+4]=dword:0x5678 log=3 log[0]=0x31,cs=0x2b,ss=0x33,sp=0x6000,frame=0x6fd8
; expect: log[1]=#GP(0)@limit,cs=0x2b log[2]=#UD@syscall64 mem[RESULT+8]=dword:0x41414142
%include "long64.inc"
        install_handlers64
        mov   rax, DESCRIPTOR(SCRATCH, 0xfff, 0x4f3)
        mov   [GDT + FREE_SELECTOR], rax
        to_ring3_32
        mov   eax, esp
        push  eax
        sub   eax, esp
        mov   [RESULT], eax
        pop   eax
        int   0x31
        mov   eax, FREE_SELECTOR | 3
        mov   es, ax
        mov   dword [es:0xffc], 0x5678
        mov   ecx, [SCRATCH + 0xffc]
        mov   [RESULT + 4], ecx
        try   after
limit:  mov   eax, [es:0xffd]
after:  mov   eax, 0x41414141
        inc   eax               ; 40h is INC here, not REX.
        mov   [RESULT + 8], eax
        try   done
syscall64:
        db    0x0f, 0x01, 0xf8  ; SWAPGS is for 64-bit code.
done:   to_ring0
        hlt
