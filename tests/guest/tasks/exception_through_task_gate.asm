; An exception through a task gate pushes its error code on the new task's stack.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Interrupt Tasks"
; expect: mem[RESULT]=dword:0x20 esp=0x5f00 tr=0x58 mem[RESULT+4]=dword:bad eax=0x99 rflags!=NT
%include "tasks.inc"
        install_handlers32
        new_task32 0x80, SCRATCH, task
        store64 IDT + 13 * 8, GATE(0x80, 0, 0x85, 0)
        mov   eax, DATA32 | 3
bad:    mov   fs, ax
        mov   esp, 0x5f00
        mov   eax, 0x99
        hlt
task:   pop   dword [RESULT]
        mov   eax, [TSS + TSS_EIP]
        mov   [RESULT + 4], eax
        mov   eax, after_bad
        mov   [TSS + TSS_EIP], eax      ; The caller resumes behind its fault.
        iretd
after_bad equ bad + 2
