; The sum wins over the exchange.
; mode:   long64
; org:    0x100000
; runs:   interpreter translator host
; source: Intel SDM Vol. 2, "XADD"
; expect: rax=0x6 rflags=PF
%include "host.inc"
        mov   rax, 3
        xadd  rax, rax
        hlt
