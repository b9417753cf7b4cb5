; A store into the very next instruction takes effect at once.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Self-Modifying Code", "Handling Self- and Cross-Modifying Code"
; expect: eax=0x2222 ebx=1
%include "protected32.inc"
        xor   ebx, ebx
        mov   dword [next + 1], 0x2222
next:   mov   eax, 0x1111
        mov   byte [after], 0x43        ; INC EBX where NOP was.
after:  nop
        hlt
