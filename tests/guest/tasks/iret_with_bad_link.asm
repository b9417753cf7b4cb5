; IRET with NT and a link that names no busy TSS is #TS with that selector.
; mode:   protected32
; source: Intel SDM Vol. 2, "IRET/IRETD/IRETQ", Protected Mode Exceptions
; expect: log=2 log[0]=#TS(0x80)@available log[1]=#TS(0x20)@data tr=0x58
%include "tasks.inc"
        install_handlers32
        new_task32 0x80, SCRATCH, 0
        mov   word [TSS], 0x80
        push  dword FLAG_NT | 2
        popfd
        try   after
available:
        iretd
after:  mov   word [TSS], DATA32
        push  dword FLAG_NT | 2
        popfd
        try   done
data:   iretd
done:   hlt
