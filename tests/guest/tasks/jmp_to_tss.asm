; A jump to a TSS saves the old task, marks it available and the new one busy, and sets CR0.TS.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Task Switching"
; expect: eax=0x11111111 ebx=0x22222222 esp=0x5f00 ebp=0x33333333 cr0=0x9/0x9 tr=0x80 rflags=CF rflags!=NT
; expect: mem[GDT+0x5d]=byte:0x89 mem[GDT+0x85]=byte:0x8b mem[TSS+0x20]=dword:behind mem[TSS+0x28]=dword:0x77
; expect: mem[TSS+0x38]=dword:0x7c00 mem[TSS+0x4c]=word:0x18 mem[0x20000]=dword:0 cs=0x18 ldtr=0x70
%include "tasks.inc"
        install_handlers32
        new_task32 0x80, SCRATCH, task
        mov   dword [SCRATCH + TSS_EAX], 0x11111111
        mov   dword [SCRATCH + TSS_EBX], 0x22222222
        mov   dword [SCRATCH + TSS_EBP], 0x33333333
        mov   dword [SCRATCH + TSS_EFLAGS], FLAG_CF | 2
        mov   word [SCRATCH + TSS_LDT], LDT_SELECTOR
        mov   eax, 0x77
        jmp   0x80:0xdeadbeef
behind: hlt
task:   hlt
