; Counters in the very 64 bytes that the loop itself is in, and elsewhere in its page.
; mode:   protected32
; limit:  400000
; source: Intel SDM Vol. 3A, "Self-Modifying Code"
; expect: mem[near_by]=dword:20000 mem[further]=dword:40000 ebx=20000 ecx=0
%include "protected32.inc"
        jmp   start
align 64
near_by: dd   0
start:  xor   ebx, ebx
        mov   ecx, 20000
turn:   inc   dword [near_by]
        add   dword [further], 2
        inc   ebx
        dec   ecx
        jnz   turn
        hlt
        times 300 nop
further: dd   0
