; With 16-bit addresses indexes wrap at 64 KiB; with 67h they are 32 bits wide.
; mode:   real
; source: Intel SDM Vol. 2, "STOS/STOSB/STOSW/STOSD/STOSQ"
; expect: di=1 mem[0x2ffff]=byte:0x5a mem[0x20000]=byte:0x5a cx=0 edi=0xabcd0001
%include "real.inc"
        mov   ax, 0x2000
        mov   es, ax
        mov   edi, 0xabcdffff
        mov   ecx, 0xffff0002
        mov   al, 0x5a
        rep   stosb
        hlt
