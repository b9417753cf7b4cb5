; A benign exception whose delivery faults is no double fault: the second is taken next. EXT is set
; for #UD, and clear for INT3, which is the program's own doing.
; mode:   protected32
; source: Intel SDM Vol. 3A, table "Conditions for Generating a Double Fault"; "Error Code"
; expect: log=2 log[0]=#NP(0x33)@illegal log[1]=#NP(0x1a)@call
%include "protected32.inc"
        install_handlers32
        mov   byte [IDT + 6 * 8 + 5], 0x0e
        mov   byte [IDT + 3 * 8 + 5], 0x0e
        try   after
illegal:
        ud2
after:  try   done
call:   int3
done:   hlt
