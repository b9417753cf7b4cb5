; A bad segment in the new TSS is the new task's fault: #TS or #NP or #SS with its selector, raised
; with EIP at the new task's first instruction.
; mode:   protected32
; source: Intel SDM Vol. 3A, table "Exception Conditions Checked During a Task Switch"
; expect: log=5 log[0]=#TS(0x70)@task log[1]=#TS(0x30)@task log[2]=#TS(0x18)@task log[3]=#NP(0x90)@task log[4]=#SS(0x98)@task
; expect: mem[RESULT]=dword:5
%include "tasks.inc"
        install_handlers32
        set_descriptor 0x90, 0, 0xfffff, 0xc13
        set_descriptor 0x98, 0, 0xfffff, 0xc13
        ; Handlers run in a task of their own: the faulting task may have no stack.
        new_task32 0xa0, SCRATCH + 0x100, recorder
        store64 IDT + 10 * 8, GATE(0xa0, 0, 0x85, 0)
        store64 IDT + 11 * 8, GATE(0xa0, 0, 0x85, 0)
        store64 IDT + 12 * 8, GATE(0xa0, 0, 0x85, 0)
        xor   ebp, ebp
next:   jmp   [steps + ebp * 4]
ldt_step:
        new_task32 0x80, SCRATCH, task
        mov   word [SCRATCH + TSS_LDT], LDT_SELECTOR
        mov   byte [GDT + LDT_SELECTOR + 5], 0x89       ; No LDT.
        mov   dword [expected_vector], 10
        jmp   0x80:0
stack_step:
        mov   byte [GDT + LDT_SELECTOR + 5], 0x82
        new_task32 0x80, SCRATCH, task
        mov   word [SCRATCH + TSS_SS], UDATA32 & ~3     ; DPL 3 in ring 0.
        mov   dword [expected_vector], 10
        jmp   0x80:0
data_step:
        new_task32 0x80, SCRATCH, task
        mov   word [SCRATCH + TSS_SS], CODE32
        mov   dword [expected_vector], 10
        jmp   0x80:0
absent_data_step:
        new_task32 0x80, SCRATCH, task
        mov   word [SCRATCH + TSS_DS], 0x90
        mov   dword [expected_vector], 11
        jmp   0x80:0
absent_stack_step:
        new_task32 0x80, SCRATCH, task
        mov   word [SCRATCH + TSS_SS], 0x98
        mov   dword [expected_vector], 12
        jmp   0x80:0
task:   hlt
finish: hlt
recorder:
        mov   edi, [LOG_COUNT]
        shl   edi, 6
        add   edi, LOG
        mov   eax, [expected_vector]
        mov   [edi], eax
        pop   dword [edi + 4]
        mov   eax, [SCRATCH + TSS_EIP]  ; Saved when this task took over.
        mov   [edi + 16], eax
        inc   dword [LOG_COUNT]
        mov   ebx, [LOG_COUNT]
        mov   [RESULT], ebx
        ; Back to a plain task, this one available again for the next fault.
        new_task32 0xa8, SCRATCH + 0x200, resume
        mov   [SCRATCH + 0x200 + TSS_EBP], ebx
        mov   dword [SCRATCH + 0x100 + TSS_ESP], 0x5e00
        pushfd
        and   dword [esp], ~FLAG_NT
        popfd
        mov   byte [IDT + 10 * 8 + 2], 0xa0
        jmp   0xa8:0
resume: new_task32 0xa0, SCRATCH + 0x100, recorder
        cmp   ebp, 5
        je    finish
        jmp   next
expected_vector: dd 0
steps:  dd    ldt_step, stack_step, data_step, absent_data_step, absent_stack_step
