; REP STOS over a procedure and over the instructions that follow it, other instructions each turn.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Self-Modifying Code"
; expect: esi=800 ebp=800 ebx=200 edx=0
%include "protected32.inc"
        xor   esi, esi
        xor   ebp, ebp
        xor   ebx, ebx
        mov   edx, 100
turn:   mov   al, 0x46          ; INC ESI
        test  dl, 1
        jz    even
        mov   al, 0x45          ; INC EBP
even:   mov   edi, procedure
        mov   ecx, 16
        rep   stosb
        call  procedure
        mov   eax, 0x43434343   ; INC EBX four times
        test  dl, 1
        jz    store
        mov   eax, 0x90909090
store:  mov   edi, behind
        mov   ecx, 1
        rep   stosd
behind: times 4 nop
        dec   edx
        jnz   turn
        hlt
procedure:
        times 16 nop
        ret
