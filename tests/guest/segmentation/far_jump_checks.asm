; Where a far jump may not go.
; mode:   protected32
; source: Intel SDM Vol. 2, "JMP", Protected Mode Exceptions
; expect: log=6 log[0]=#GP(0x20)@to_data log[1]=#GP(0)@to_null log[2]=#GP(0x28)@to_outer log[3]=#GP(0)@beyond
; expect: log[4]=#GP(0x18)@with_rpl log[5]=#GP(0x70)@to_ldt
%include "protected32.inc"
        install_handlers32
        set_descriptor FREE_SELECTOR, 0, 0xfff, 0x49b
%macro refuse 3                 ; label, selector, offset
        try   after_%1
%1:     jmp   %2:%3
after_%1:
%endmacro
        refuse to_data, DATA32, 0
        refuse to_null, 3, 0
        refuse to_outer, UCODE32, 0
        refuse beyond, FREE_SELECTOR, 0x1000
        refuse with_rpl, CODE32 | 3, 0
        refuse to_ldt, LDT_SELECTOR, 0
        hlt
