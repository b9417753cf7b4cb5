; SYSCALL and SYSRET in 64-bit mode: selectors from STAR, flags masked and kept in R11, no stack.
; mode:   long64
; source: Intel SDM Vol. 2, "SYSCALL", "SYSRET"
; expect: mem[RESULT]=word:0x08 mem[RESULT+2]=word:0x10 mem[RESULT+8]=qword:0x6000 mem[RESULT+16]=qword:back
; expect: mem[RESULT+24]=qword:0x402/0x3f7fd7 mem[RESULT+32]=qword:0/0x600 mem[RESULT+40]=word:0x3b mem[RESULT+42]=word:0x33 mem[RESULT+48]=qword:0x602/0x3f7602 log=0
%include "long64.inc"
        install_handlers64
        set_msr 0xc0000081, 0x0028_0008_0000_0000 | 3 << 48
        set_msr_address 0xc0000082, entry
        set_msr 0xc0000084, FLAG_IF | FLAG_DF | FLAG_TF
        to_ring3_64
        push  FLAG_DF | 2
        popfq
        syscall
back:   mov   [RESULT + 40], cs
        mov   [RESULT + 42], ss
        pushfq
        pop   qword [RESULT + 48]
        to_ring0
        hlt
entry:  mov   [RESULT], cs
        mov   [RESULT + 2], ss
        mov   [RESULT + 8], rsp
        mov   [RESULT + 16], rcx
        mov   [RESULT + 24], r11
        pushfq
        pop   qword [RESULT + 32]
        or    r11d, FLAG_IF
        o64   sysret
