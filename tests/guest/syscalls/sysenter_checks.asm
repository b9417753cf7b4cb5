; SYSENTER with a null selector is #GP(0); so is SYSEXIT, and SYSEXIT outside ring 0.
; mode:   protected32
; source: Intel SDM Vol. 2, "SYSENTER", "SYSEXIT", Protected Mode Exceptions
; expect: log=3 log[0]=#GP(0)@null_enter log[1]=#GP(0)@null_exit log[2]=#GP(0)@in_ring3,cs=0x2b
%include "protected32.inc"
        install_handlers32
        set_msr 0x174, 3
        try   after
null_enter:
        sysenter
after:  try   after_exit
null_exit:
        sysexit
after_exit:
        set_msr 0x174, CODE32
        to_ring3
        try   done
in_ring3:
        sysexit
done:   to_ring0
        hlt
