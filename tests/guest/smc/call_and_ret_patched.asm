; The instruction behind a CALL is changed by the called procedure before it returns.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Self-Modifying Code"
; expect: eax=0x22 ebx=3
%include "protected32.inc"
        xor   ebx, ebx
        mov   edx, 3
again:  call  change
site:   mov   eax, 0x11
        inc   ebx
        dec   edx
        jnz   again
        hlt
change: mov   byte [site + 1], 0x22
        ret
