; A jump into an instruction decodes from there; both readings live side by side.
; mode:   long64
; source: Intel SDM Vol. 2, "Instruction Format"
; expect: eax=0x90 ebx=3
%include "long64.inc"
        xor   ebx, ebx
        mov   ebp, 2
again:  jmp   outer
outer:  db    0xb8              ; MOV EAX, 0C3FFh...: its immediate is INC EBX; RET
inner:  db    0xff, 0xc3, 0xc3, 0x00
        call  inner
        dec   ebp
        jnz   again
        inc   ebx
        mov   eax, 0x90
        hlt
