; With T set in the new TSS, #DB with BT comes before the task's first instruction.
; mode:   protected32
; source: Intel SDM Vol. 3B, "Task-Switch Exception Condition"
; expect: log=1 log[0]=#DB@task,dr6=0x8000/0xe00f ebx=1
%include "tasks.inc"
        install_handlers32
        new_task32 0x80, SCRATCH, task
        mov   byte [SCRATCH + 0x64], 1
        jmp   0x80:0
task:   inc   ebx
        hlt
