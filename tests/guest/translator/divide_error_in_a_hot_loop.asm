; A division in a loop until the divisor is zero, and one until the quotient does not fit.
; mode:   protected32
; source: Intel SDM Vol. 2, "DIV", "IDIV"
; expect: log=2 log[0]=#DE@divide log[1]=#DE@signed ebx=0x4f270c esi=1000000 ecx=-1 eax=0x80000000 edx=-1 ebp=50
%include "protected32.inc"
        install_handlers32
        xor   ebx, ebx
        mov   ecx, 100
        try   divided
again:  mov   eax, 1000000
        xor   edx, edx
divide: div   ecx
        add   ebx, eax
        dec   ecx
        jmp   again
divided:
        mov   esi, eax
        or    esi, ecx          ; EAX stayed, ECX is zero, EDX too.
        or    esi, edx
        try   done
        xor   ebp, ebp
        mov   ecx, -1
        mov   edi, 0x80000032   ; Counts down to the most negative number.
turn:   mov   eax, edi
        cdq
signed: idiv  ecx
        inc   ebp
        dec   edi
        jmp   turn
done:   hlt
