; LLDT and LTR want the right descriptor in the GDT, present; LTR wants an available TSS.
; mode:   protected32
; source: Intel SDM Vol. 2, "LLDT", "LTR"
; expect: log=7 log[0]=#GP(0x20)@lldt_data log[1]=#NP(0x80)@lldt_absent log[2]=#GP(0x74)@lldt_ti
; expect: log[3]=#GP(0x58)@ltr_busy log[4]=#GP(0)@ltr_null log[5]=#NP(0x88)@ltr_absent log[6]=#GP(0x70)@ltr_ldt
; expect: tr=0x90 mem[GDT+0x95]=byte:0x8b tr.limit=0x67 tr.base=0x20000
%include "protected32.inc"
        install_handlers32
        set_descriptor FREE_SELECTOR, LDT, 0x3ff, 0x002
        set_descriptor FREE_SELECTOR + 8, TSS, 0x67, 0x009
        set_descriptor FREE_SELECTOR + 16, SCRATCH, 0x67, 0x089
%macro refuse 3                 ; label, instruction, selector
        try   after_%1
        mov   eax, %3
%1:     %2    ax
after_%1:
%endmacro
        refuse lldt_data, lldt, DATA32
        refuse lldt_absent, lldt, FREE_SELECTOR
        refuse lldt_ti, lldt, LDT_SELECTOR | 4
        refuse ltr_busy, ltr, TSS_SELECTOR
        refuse ltr_null, ltr, 0
        refuse ltr_absent, ltr, FREE_SELECTOR + 8
        refuse ltr_ldt, ltr, LDT_SELECTOR
        mov   eax, FREE_SELECTOR + 16
        ltr   ax
        hlt
