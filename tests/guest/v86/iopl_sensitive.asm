; With IOPL below 3, CLI, STI, PUSHF, POPF, INT n and IRET belong to the monitor: #GP(0). INT3 does not.
; mode:   protected32
; source: Intel SDM Vol. 3B, "Sensitive Instructions"
; expect: log=8 log[0]=#GP(0)@cli_ log[1]=#GP(0)@sti_ log[2]=#GP(0)@pushf_ log[3]=#GP(0)@popf_ log[4]=#GP(0)@int_
; expect: log[5]=#GP(0)@iret_ log[6]=#BP@after_int3,flags=VM log[7]=#GP(0)@hlt_
%include "v86.inc"
        install_handlers32
        to_v86 2
%macro refuse 2+                ; label, instruction
        try   after_%1
%1:     %2
after_%1:
%endmacro
        refuse cli_, cli
        refuse sti_, sti
        refuse pushf_, pushf
        refuse popf_, popf
        refuse int_, int 0x31
        refuse iret_, iret
        int3
after_int3:
hlt_:   hlt                     ; #GP in any virtual-8086 program; the handler ends the test.
