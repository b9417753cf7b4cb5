; A TSS whose EFLAGS have VM starts a virtual-8086 task.
; mode:   protected32
; source: Intel SDM Vol. 3B, "Entering Virtual-8086 Mode"
; expect: log=2 log[1]=#GP(0)@privileged,cs=0x700 log[0]=#BP@behind,cs=0x700,flags=VM,ss=0x3000,sp=0x200 eax=0x8086/0xffff mem[0x20500]=word:0x8086 tr=0x80
%include "tasks.inc"
        install_handlers32
        new_task32 0x80, SCRATCH, task - 0x7000
        mov   dword [SCRATCH + TSS_EFLAGS], FLAG_VM | FLAG_IOPL | 2
        mov   word [SCRATCH + TSS_CS], 0x700
        mov   word [SCRATCH + TSS_SS], 0x3000
        mov   dword [SCRATCH + TSS_ESP], 0x200
        mov   word [SCRATCH + TSS_DS], 0x2000
        mov   dword [SCRATCH + 4], RING0_STACK
        mov   word [SCRATCH + 8], DATA32
        jmp   0x80:0
bits 16
task:   mov   ax, 0x8086
        mov   [0x500], ax
        int3
behind_int3:
        hlt
behind      equ behind_int3 - 0x7000
privileged  equ behind_int3 - 0x7000
