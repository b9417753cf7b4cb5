; The classic use of a task gate: a double fault on a broken stack gets a task of its own.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Interrupt 8—Double Fault Exception (#DF)"; "Interrupt Tasks"
; expect: tr=0x80 mem[0x20000]=word:0x58 eax=0 mem[TSS+0x20]=dword:bad rflags!=IF
%include "tasks.inc"
        install_handlers32
        set_descriptor 0x88, SCRATCH + 0x1000, 0xf, 0x493
        new_task32 0x80, SCRATCH, task
        store64 IDT + 8 * 8, GATE(0x80, 0, 0x85, 0)
        mov   eax, 0x88
        mov   ss, ax
        mov   esp, 8
bad:    ud2
task:   pop   eax               ; The error code of a double fault is 0.
        hlt
