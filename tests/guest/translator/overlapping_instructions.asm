; Two readings of the same bytes, both hot: from the opcode and from inside its immediate.
; mode:   long64
; org:    0x100000
; runs:   interpreter translator host
; source: Intel SDM Vol. 2, "Instruction Format"
; expect: eax=0xebc3ff ebx=1000 esi=2000 ecx=0
%include "host.inc"
        xor   eax, eax
        xor   ebx, ebx
        xor   esi, esi
        mov   ecx, 2000
turn:   test  cl, 1
        jz    inner
        db    0xb8              ; MOV EAX, 00EBC3FFh
inner:  db    0xff, 0xc3        ; INC EBX
        db    0xeb, 0x00        ; JMP to the next instruction
        inc   esi
        dec   ecx
        jnz   turn
        hlt
