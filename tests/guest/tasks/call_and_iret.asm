; CALL nests: both tasks are busy, NT is set and the link names the caller; IRET goes back.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Task Linking"
; expect: mem[RESULT]=dword:0x4000/0x4000 mem[RESULT+4]=word:0x8b8b tr=0x58 mem[0x20000]=word:0x58
; expect: mem[GDT+0x85]=byte:0x89 mem[GDT+0x5d]=byte:0x8b eax=0x1234 mem[0x20028]=dword:0x5678 mem[0x20020]=dword:again
; expect: mem[0x20024]=dword:0/0x4000 log=0
%include "tasks.inc"
        install_handlers32
        new_task32 0x80, SCRATCH, task
        mov   eax, 0x1234
        call  0x80:0
        hlt
task:   pushfd
        pop   dword [RESULT]
        mov   al, [GDT + 0x85]
        mov   ah, [GDT + 0x5d]
        mov   [RESULT + 4], ax
        mov   eax, 0x5678
        iretd
again:  hlt
