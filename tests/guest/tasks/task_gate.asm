; A task gate leads to its TSS; its own DPL counts, not that of the TSS.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Task-Gate Descriptor"
; expect: log=1 log[0]=#GP(0x80)@direct,cs=0x2b tr=0x80 mem[0x20000]=word:0x58 mem[TSS+0x4c]=word:0x2b
%include "tasks.inc"
        install_handlers32
        new_task32 0x80, SCRATCH, task
        store64 GDT + 0x88, GATE(0x80, 0, 0xe5, 0)
        to_ring3
        try   after
direct: call  0x80:0
after:  call  0x88:0
task:   hlt
