; A hundred thousand calls that never return, thousands of returns without a call, and jumps out of
; deep calls to another stack pointer.
; mode:   long64
; limit:  3000000
; source: Intel SDM Vol. 1, "Procedure Calls Using Call and RET"
; expect: eax=800000 ebx=5000 ecx=0 edi=0 rsp=0x7c00 edx=1000 r8=200
%include "long64.inc"
        mov   esp, 0x400000
        mov   ecx, 100000
deeper: call  next
next:   dec   ecx
        jnz   deeper
        mov   eax, 0x400000
        sub   eax, esp
        ; Jumps by RET.
        xor   edx, edx
        mov   ecx, 1000
jump:   push  back
        ret
        hlt
back:   inc   edx
        dec   ecx
        jnz   jump
        ; A chain of returns, all to the same place.
        xor   ebx, ebx
        push  chained
        mov   ecx, 4999
fill:   push  link
        dec   ecx
        jnz   fill
link:   inc   ebx
        ret
chained:
        ; Out of forty calls at once.
        xor   r8d, r8d
        mov   edi, 200
again:  mov   rbp, rsp
        mov   ecx, 40
        call  sink
        hlt
landed: inc   r8d
        dec   edi
        jnz   again
        mov   esp, 0x7c00
        hlt
sink:   dec   ecx
        jz    leave_all
        call  sink
        hlt
leave_all:
        mov   rsp, rbp
        jmp   landed
