; A 16-bit TSS saves and loads words; the upper halves of the registers are not its business.
; mode:   protected32
; source: Intel SDM Vol. 3A, "16-Bit Task-State Segment (TSS)"
; expect: eax=0x1111/0xffff ecx=0x2222/0xffff esp=0x5f00/0xffff tr=0x80 mem[GDT+0x85]=byte:0x83 mem[GDT+0x5d]=byte:0x89
; expect: cs=0x18 ds=0x20 mem[RESULT]=dword:0x600d log=0
%include "tasks.inc"
        install_handlers32
        set_descriptor 0x80, SCRATCH, 0x2b, 0x081
        mov   word [SCRATCH + 14], task
        mov   word [SCRATCH + 16], 2            ; FLAGS
        mov   word [SCRATCH + 18], 0x1111       ; AX
        mov   word [SCRATCH + 20], 0x2222       ; CX
        mov   word [SCRATCH + 26], 0x5f00       ; SP
        mov   word [SCRATCH + 34], DATA32       ; ES
        mov   word [SCRATCH + 36], CODE32       ; CS
        mov   word [SCRATCH + 38], DATA32       ; SS
        mov   word [SCRATCH + 40], DATA32       ; DS
        mov   word [SCRATCH + 42], 0            ; LDT
        jmp   0x80:0
task:   mov   dword [RESULT], 0x600d
        hlt
