; INT n from ring 3: the gate's DPL counts, and the error code names the IDT entry, without EXT.
; mode:   protected32
; source: Intel SDM Vol. 2, "INT n/INTO/INT3/INT1", Operation; Vol. 3A, "Error Code"
; expect: log=5 log[0]=#GP(0x10a)@dpl log[1]=#NP(0x18a)@absent log[2]=#GP(0x202)@outside log[3]=#GP(0x192)@no_gate
; expect: log[4]=#GP(0x6a)@like_gp
%include "protected32.inc"
        install_handlers32
        mov   byte [IDT + 0x31 * 8 + 5], 0x6e
        mov   byte [IDT + 0x32 * 8 + 5], 0xec    ; A call gate.
        to_ring3
%macro refuse 2                 ; label, vector
        try   after_%1
%1:     int   %2
after_%1:
%endmacro
        refuse dpl, 0x21
        refuse absent, 0x31
        refuse outside, 0x40
        refuse no_gate, 0x32
        refuse like_gp, 13
        to_ring0
        hlt
