; SYSENTER and SYSEXIT in protected mode: selectors from one MSR, flat segments, EDX and ECX lead back.
; mode:   protected32
; source: Intel SDM Vol. 2, "SYSENTER", "SYSEXIT"
; expect: mem[RESULT]=word:0x18 mem[RESULT+2]=word:0x20 mem[RESULT+4]=dword:0x6e00 mem[RESULT+8]=word:0x2b mem[RESULT+10]=word:0x33
; expect: mem[RESULT+12]=dword:0x5500 mem[RESULT+16]=dword:0x0/0x200 log=0
%include "protected32.inc"
        install_handlers32
        set_msr 0x174, CODE32
        set_msr 0x175, 0x6e00
        set_msr_address 0x176, entry
        push  dword FLAG_IF | 2
        popfd
        to_ring3
        sysenter
entry:  mov   [RESULT], cs
        mov   [RESULT + 2], ss
        mov   [RESULT + 4], esp
        pushfd
        pop   dword [RESULT + 16]
        mov   ecx, 0x5500
        mov   edx, back
        sysexit
back:   mov   [RESULT + 8], cs
        mov   [RESULT + 10], ss
        mov   [RESULT + 12], esp
        to_ring0
        hlt
