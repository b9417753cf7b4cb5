; An interrupt after n instructions of a hot loop finds n instructions done, for n from 1 to 120.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Masking Maskable Hardware Interrupts"; the test port of include/layout.inc
; expect: ebp=121 esi=0
%include "protected32.inc"
        install_handlers32
        set_gate32 0x31, CODE32, handler, 0x8e
        mov   al, 0x31
        out   PORT_VECTOR, al
        xor   esi, esi
        mov   ebp, 1
turn:   mov   esp, PROGRAM_STACK
        xor   ebx, ebx
        xor   ecx, ecx
        sti
        mov   eax, ebp
        out   PORT_INTR_LATER, al
spin:   inc   ebx
        inc   ecx
        jmp   spin
handler:
        ; Of every three instructions the first counts in EBX, the second in ECX.
        lea   eax, [ebp + 2]
        xor   edx, edx
        mov   edi, 3
        div   edi
        cmp   eax, ebx
        jne   wrong
        lea   eax, [ebp + 1]
        xor   edx, edx
        div   edi
        cmp   eax, ecx
        je    right
wrong:  inc   esi
right:  inc   ebp
        cmp   ebp, 121
        jne   turn
        hlt
