; What a call gate refuses, and whose selector the error code names.
; mode:   protected32
; source: Intel SDM Vol. 2, "CALL", Operation (CALL-GATE); Protected Mode Exceptions
; expect: log=6 log[0]=#GP(0x80)@dpl log[1]=#GP(0x88)@rpl log[2]=#NP(0x90)@gate_absent log[3]=#NP(0xa8)@code_absent
; expect: log[4]=#GP(0x18)@jump_inwards log[5]=#GP(0)@null_code
%include "protected32.inc"
        install_handlers32
        store64 GDT + 0x80, GATE(CODE32, 0, 0x8c, 0)    ; DPL 0
        store64 GDT + 0x88, GATE(CODE32, 0, 0xcc, 0)    ; DPL 2
        store64 GDT + 0x90, GATE(CODE32, 0, 0x6c, 0)    ; not present
        store64 GDT + 0x98, GATE(0xa8, 0, 0xec, 0)
        store64 GDT + 0xa0, GATE(CODE32, 0, 0xec, 0)
        set_descriptor 0xa8, 0, 0xfffff, 0xc1b
        store64 GDT + 0xb0, GATE(0, 0, 0xec, 0)
        to_ring3
%macro refuse 3                 ; label, instruction, selector
        try   after_%1
%1:     %2    %3:0
after_%1:
%endmacro
        refuse dpl, call, 0x80
        refuse rpl, call, 0x88 | 3
        refuse gate_absent, call, 0x90
        refuse code_absent, call, 0x98
        refuse jump_inwards, jmp, 0xa0
        refuse null_code, call, 0xb0
        to_ring0
        hlt
