; Long mode has no task switches: a far jump to a TSS and IRET with NT are #GP.
; mode:   long64
; source: Intel SDM Vol. 3A, "Task Management in 64-bit Mode"
; expect: log=2 log[0]=#GP(0x80)@jump log[1]=#GP(0)@return tr=0x58
%include "long64.inc"
        install_handlers64
        mov   rax, DESCRIPTOR(SCRATCH, 0x67, 0x089)
        mov   [GDT + 0x80], rax
        try   after
jump:   jmp   far dword [pointer]
after:  push  FLAG_NT | 2
        popfq
        try   done
return: iretq
done:   hlt
pointer:
        dd    0
        dw    0x80
