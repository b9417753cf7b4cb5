; TF: a trap after every instruction but the one that set it; the handler runs without it.
; mode:   protected32
; source: Intel SDM Vol. 3B, "Single-Step Exception Condition"
; expect: log=4 log[0]=#DB@second,dr6=0x4000/0x400f,flags=TF log[1]=#DB@third log[2]=#DB@fourth log[3]=#DB@behind eax=3
%include "protected32.inc"
        install_handlers32
        xor   eax, eax
        push  dword 2
        push  dword FLAG_TF | 2
        popfd
        inc   eax
second: inc   eax
third:  inc   eax
fourth: popfd                   ; Clears TF, and traps once more.
behind: hlt
