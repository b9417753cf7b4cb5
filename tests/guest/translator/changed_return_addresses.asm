; A procedure that moves its return address, by another distance each time.
; mode:   long64
; org:    0x100000
; runs:   interpreter translator host
; source: Intel SDM Vol. 2, "RET"
; expect: ebx=75 edx=150 esi=225 edi=300 ecx=0 rsp=0x180000
%include "host.inc"
        xor   ebx, ebx
        xor   edx, edx
        xor   esi, esi
        xor   edi, edi
        mov   ecx, 300
turn:   call  skip
        inc   ebx               ; Two bytes each.
        inc   edx
        inc   esi
        inc   edi
        dec   ecx
        jnz   turn
        hlt
skip:   mov   eax, ecx
        and   eax, 3
        add   eax, eax
        add   [rsp], rax
        ret
