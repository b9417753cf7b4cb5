; Conditions that come together are reported together.
; mode:   protected32
; source: Intel SDM Vol. 3B, "Debug Exception (#DB)—Interrupt Vector 1"
; expect: log=3 log[0]=#DB@second,dr6=0x4001/0x400f log[1]=#DB@third,dr6=0x4000/0x400f log[2]=#DB@behind
%include "protected32.inc"
        install_handlers32
        push  dword 2
        mov   eax, SCRATCH
        mov   dr0, eax
        mov   eax, 0x400 | 2 | 1 << 16
        mov   dr7, eax
        push  dword FLAG_TF | 2
        popfd
        mov   byte [SCRATCH], 1
second: nop
third:  popfd
behind: hlt
