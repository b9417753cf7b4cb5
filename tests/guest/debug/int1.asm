; INT1 is a #DB that sets no condition in DR6 and ignores the gate's DPL.
; mode:   protected32
; source: Intel SDM Vol. 2, "INT n/INTO/INT3/INT1"
; expect: log=1 log[0]=#DB@behind,cs=0x2b,dr6=0/0xe00f,clear=RF
%include "protected32.inc"
        install_handlers32
        to_ring3
        db    0xf1
behind: to_ring0
        hlt
