; A segment that is not present raises #NP; the stack segment raises #SS. Both name the selector.
; mode:   protected32
; source: Intel SDM Vol. 2, "MOV", Protected Mode Exceptions
; expect: log=3 log[0]=#NP(0x80)@load_ds log[1]=#SS(0x80)@load_ss log[2]=#NP(0x88)@jump
; expect: mem[GDT+0x85]=byte:0x12 mem[GDT+0x8d]=byte:0x1a ds=0x20
%include "protected32.inc"
        install_handlers32
        set_descriptor FREE_SELECTOR, 0, 0xfffff, 0xc12
        set_descriptor FREE_SELECTOR + 8, 0, 0xfffff, 0xc1a
        mov   eax, FREE_SELECTOR
        try   after_ds
load_ds:
        mov   ds, ax
after_ds:
        try   after_ss
load_ss:
        mov   ss, ax
after_ss:
        try   done
jump:   jmp   FREE_SELECTOR + 8:0
done:   hlt
