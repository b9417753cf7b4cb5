; In 64-bit mode SYSENTER loads full RSP and RIP; SYSEXIT with REX.W adds 32 and 40 to the selector.
; mode:   long64
; source: Intel SDM Vol. 2, "SYSENTER", "SYSEXIT"
; expect: mem[RESULT]=word:0x18 mem[RESULT+2]=word:0x20 mem[RESULT+8]=qword:0x6e00 mem[RESULT+16]=word:0x3b mem[RESULT+18]=word:0x43
; expect: mem[RESULT+24]=qword:0x5500 mem[RESULT+32]=word:0x2b mem[RESULT+34]=word:0x33 log=1 log[0]=#GP(0)@hlt_,cs=0x2b
%include "long64.inc"
        install_handlers64
        set_msr 0x174, CODE32
        set_msr 0x175, 0x6e00
        set_msr_address 0x176, entry
        xor   ebp, ebp
        to_ring3_64
        sysenter
entry:  mov   [RESULT], cs
        mov   [RESULT + 2], ss
        mov   [RESULT + 8], rsp
        mov   ecx, 0x5500
        test  ebp, ebp
        jnz   second
        inc   ebp
        mov   edx, back
        o64   sysexit
second: mov   eax, UDATA32
        mov   ds, eax
        mov   edx, compatibility
        sysexit
back:   mov   [RESULT + 16], cs
        mov   [RESULT + 18], ss
        mov   [RESULT + 24], rsp
        sysenter
bits 32
compatibility:
        mov   [RESULT + 32], cs
        mov   [RESULT + 34], ss
hlt_:   hlt
