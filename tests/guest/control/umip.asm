; UMIP: SGDT, SIDT, SLDT, STR and SMSW are #GP(0) in ring 3, and only there.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Control Registers", UMIP
; expect: log=5 log[0]=#GP(0)@sgdt_ log[1]=#GP(0)@sidt_ log[2]=#GP(0)@sldt_ log[3]=#GP(0)@str_ log[4]=#GP(0)@smsw_ eax=0x58
%include "protected32.inc"
        install_handlers32
        to_ring3
        sgdt  [RESULT]          ; Allowed while UMIP is off.
        smsw  ax
        to_ring0
        mov   eax, cr4
        or    eax, CR4_UMIP
        mov   cr4, eax
        to_ring3
%macro refuse 2+                ; label, instruction
        try   after_%1
%1:     %2
after_%1:
%endmacro
        refuse sgdt_, sgdt [RESULT]
        refuse sidt_, sidt [RESULT]
        refuse sldt_, sldt ax
        refuse str_, str ax
        refuse smsw_, smsw [RESULT]
        to_ring0
        str   eax
        hlt
