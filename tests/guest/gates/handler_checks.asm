; The code segment of an interrupt gate: not null, code, no less privileged, present.
; mode:   protected32
; source: Intel SDM Vol. 2, "INT n/INTO/INT3/INT1", Operation (INTERRUPT-OR-TRAP-GATE)
; expect: log=5 log[0]=#GP(0)@null log[1]=#GP(0x28)@outer log[2]=#GP(0x20)@data log[3]=#NP(0x80)@absent log[4]=#GP(0)@beyond
%include "protected32.inc"
        install_handlers32
        set_descriptor 0x80, 0, 0xfffff, 0xc1b
        set_descriptor 0x88, 0, 0xfff, 0x49b
        mov   word [IDT + 0x31 * 8 + 2], 0
        mov   word [IDT + 0x32 * 8 + 2], UCODE32
        mov   word [IDT + 0x33 * 8 + 2], DATA32
        mov   word [IDT + 0x34 * 8 + 2], 0x80
        mov   word [IDT + 0x35 * 8 + 2], 0x88
%macro refuse 2                 ; label, vector
        try   after_%1
%1:     int   %2
after_%1:
%endmacro
        refuse null, 0x31
        refuse outer, 0x32
        refuse data, 0x33
        refuse absent, 0x34
        refuse beyond, 0x35
        hlt
