; Writes of 8 and 16 bits keep the rest, writes of 32 bits clear the upper half; AH goes without REX.
; mode:   long64
; org:    0x100000
; runs:   interpreter translator host
; source: Intel SDM Vol. 1, "General-Purpose Registers in 64-Bit Mode"
; expect: rax=0x1111111111115511 rbx=0x2222222222227777 rcx=0x88888888 rdx=0x4444444444444499 rsi=0x66666666666666aa r9=0xbb
%include "host.inc"
        mov   rax, 0x1111111111111111
        mov   ah, 0x55
        mov   rbx, 0x2222222222222222
        mov   bx, 0x7777
        mov   rcx, 0x3333333333333333
        mov   ecx, 0x88888888
        mov   rdx, 0x4444444444444444
        mov   dl, 0x99
        mov   rsi, 0x6666666666666666
        mov   sil, 0xaa
        mov   r9, -1
        mov   r9d, 0xbb
        hlt
