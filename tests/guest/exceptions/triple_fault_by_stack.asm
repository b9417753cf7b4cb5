; A stack that cannot take the frame of any handler.
; mode:   long64
; source: Intel SDM Vol. 3A, "Interrupt 8—Double Fault Exception (#DF)"
; expect: shutdown
%include "long64.inc"
        install_handlers64
        mov   rsp, 0x8000_0000_0000_0000
        ud2
        hlt
