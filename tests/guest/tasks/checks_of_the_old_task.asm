; What a far jump to a TSS refuses before anything is switched.
; mode:   protected32
; source: Intel SDM Vol. 3A, table "Exception Conditions Checked During a Task Switch"
; expect: log=5 log[0]=#GP(0x58)@busy log[1]=#NP(0x80)@absent log[2]=#TS(0x88)@too_short log[3]=#GP(0x94)@in_ldt log[4]=#GP(0x98)@dpl,cs=0x2b
; expect: tr=0x58 cr0=0/8
%include "tasks.inc"
        install_handlers32
        set_descriptor 0x80, SCRATCH, 0x67, 0x009
        set_descriptor 0x88, SCRATCH, 0x66, 0x089
        set_descriptor 0x90, SCRATCH, 0x67, 0x089
        set_descriptor 0x98, SCRATCH, 0x67, 0x0a9
%macro refuse 2                 ; label, selector
        try   after_%1
%1:     jmp   %2:0
after_%1:
%endmacro
        refuse busy, TSS_SELECTOR
        refuse absent, 0x80
        refuse too_short, 0x88
        refuse in_ldt, 0x94
        to_ring3
        refuse dpl, 0x98
        to_ring0
        hlt
