; Linear addresses of breakpoints are 64 bits wide in 64-bit mode.
; mode:   long64
; source: Intel SDM Vol. 3B, "Debug Address Registers (DR0-DR3)"
; expect: log=1 log[0]=#DB@after,dr6=1/0xf eax=0x77
%include "long64.inc"
        install_handlers64
        mov   rax, PDPT | P | W
        mov   [PML4 + 256 * 8], rax
        mov   rbx, 0xffff800000020000
        mov   byte [SCRATCH], 0x77
        mov   dr0, rbx
        mov   eax, 0x402 | 3 << 16
        mov   dr7, rax
        movzx eax, byte [SCRATCH]       ; The same page, another linear address.
        movzx eax, byte [rbx]
after:  hlt
