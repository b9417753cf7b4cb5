; What a segment register refuses: system descriptors, selectors outside the table, and for SS
; everything but writable data of exactly this privilege.
; mode:   protected32
; source: Intel SDM Vol. 2, "MOV", Protected Mode Exceptions
; expect: log=7 log[0]=#GP(0x58)@system log[1]=#GP(0x400)@outside log[2]=#GP(0x404)@outside_ldt
; expect: log[3]=#GP(0x80)@read_only_stack log[4]=#GP(0x30)@outer_stack log[5]=#GP(0x20)@rpl_stack
; expect: log[6]=#GP(0x18)@code_stack
%include "protected32.inc"
        install_handlers32
        set_descriptor FREE_SELECTOR, 0, 0xfffff, 0xc91
%macro refuse 3                 ; label, register, selector
        try   after_%1
        mov   eax, %3
%1:     mov   %2, ax
after_%1:
%endmacro
        refuse system, ds, TSS_SELECTOR
        refuse outside, ds, 0x400
        refuse outside_ldt, ds, 0x404
        refuse read_only_stack, ss, FREE_SELECTOR
        refuse outer_stack, ss, UDATA32
        refuse rpl_stack, ss, DATA32 | 3
        refuse code_stack, ss, CODE32
        hlt
