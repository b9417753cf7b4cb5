; Data segments want DPL >= CPL and DPL >= RPL; conforming code can be read from everywhere.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Privilege Level Checking When Accessing Data Segments"
; expect: log=3 log[0]=#GP(0x20)@weak_rpl,cs=0x18 log[1]=#GP(0x20)@from_ring3,cs=0x2b
; expect: log[2]=#GP(0x18)@code_from_ring3,cs=0x2b fs=0x6b eax=0x12345678
%include "protected32.inc"
        install_handlers32
        mov   dword [RESULT], 0x12345678
        try   after_rpl
        mov   eax, DATA32 | 3
weak_rpl:
        mov   es, ax
after_rpl:
        to_ring3
        try   after_ring3
        mov   eax, DATA32
from_ring3:
        mov   gs, ax
after_ring3:
        try   after_code
        mov   eax, CODE32
code_from_ring3:
        mov   gs, ax
after_code:
        mov   eax, CONFORMING32 | 3
        mov   fs, ax
        mov   eax, [fs:RESULT]
        to_ring0
        hlt
