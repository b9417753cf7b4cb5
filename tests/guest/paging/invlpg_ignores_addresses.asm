; INVLPG of a non-canonical address does nothing and does not fault; its segment's limit does not matter.
; mode:   long64
; source: Intel SDM Vol. 2, "INVLPG", 64-Bit Mode Exceptions
; expect: log=0 eax=1
%include "long64.inc"
        install_handlers64
        mov   rbx, 0x8000_0000_0000_0000
        invlpg [rbx]
        invlpg [0x7fff0000]
        mov   eax, 1
        hlt
