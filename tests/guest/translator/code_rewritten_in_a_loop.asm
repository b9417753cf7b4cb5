; A loop that changes its next instruction, an earlier one, and a whole function, each time round.
; mode:   long64
; org:    0x100000
; runs:   interpreter translator host
; source: Intel SDM Vol. 3A, "Self-Modifying Code"
; expect: ebx=20100 edx=20099 esi=100 edi=200 ecx=0
%include "host.inc"
        xor   ebx, ebx
        xor   edx, edx
        xor   esi, esi
        xor   edi, edi
        mov   ecx, 200
turn:
earlier:
        db    0x81, 0xc2        ; ADD EDX, the count of the turn before
        dd    0
        mov   [next + 1], ecx
next:   mov   eax, 0x7fffffff
        add   ebx, eax
        mov   rax, [even_code]
        test  cl, 1
        jz    replace
        mov   rax, [odd_code]
replace:
        mov   [function], rax
        call  function
        mov   [earlier + 2], ecx
        dec   ecx
        jnz   turn
        hlt
align 8
function:
        times 8 nop
odd_code:
        inc   esi
        ret
        times 8 - ($ - odd_code) nop
even_code:
        add   edi, 2
        ret
        times 8 - ($ - even_code) nop
