; The DPL of a gate protects against INT n only: exceptions and INT1 go through.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Privilege Level Checking" of exception handlers; Vol. 2, "INT n/INTO/INT3/INT1"
; expect: log=3 log[0]=#UD@illegal,cs=0x2b,ss=0x33,sp=0x6000,frame=0x6fec log[1]=#DB@behind,cs=0x2b,dr6=0/0xf log[2]=#BP@after_int3
%include "protected32.inc"
        install_handlers32
        to_ring3
        try   after
illegal:
        ud2
after:  db    0xf1              ; INT1
behind: int3
after_int3:
        to_ring0
        hlt
