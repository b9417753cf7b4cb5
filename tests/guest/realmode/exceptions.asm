; Faults in real mode push the address of the instruction, no error code.
; mode:   real
; source: Intel SDM Vol. 3A, table "Real-Address Mode Exceptions and Interrupts"
; expect: log=5 log[0]=#DE@divide log[1]=#BR@bound_ log[2]=#UD@undefined log[3]=#UD@lldt_ log[4]=#BP@after_int3 sp=0x7c00
%include "real.inc"
        install_handlers16
%macro refuse 2+                ; label, instruction
        try   after_%1
%1:     %2
after_%1:
%endmacro
        xor   cx, cx
        refuse divide, div cx
        mov   ax, 3
        refuse bound_, bound ax, [limits]
        refuse undefined, ud2
        refuse lldt_, lldt ax
        int3
after_int3:
        hlt
limits: dw    0, 2
