; A repeated string instruction traps after each iteration.
; mode:   protected32
; source: Intel SDM Vol. 3B, "Single-Step Exception Condition"; Vol. 2, "REP"
; expect: log=4 log[0]=#DB@store log[1]=#DB@store log[2]=#DB@next log[3]=#DB@behind ecx=0
%include "protected32.inc"
        install_handlers32
        push  dword 2
        mov   edi, SCRATCH
        mov   ecx, 3
        push  dword FLAG_TF | 2
        popfd
store:  rep   stosb
next:   popfd
behind: hlt
