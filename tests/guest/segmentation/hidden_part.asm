; A change of the descriptor table matters only when the register is loaded again.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Segment Registers"
; expect: mem[0x20000]=dword:0x1111 mem[0x30000]=dword:0x2222
%include "protected32.inc"
        set_descriptor FREE_SELECTOR, 0x20000, 0xffff, 0x493
        mov   eax, FREE_SELECTOR
        mov   es, ax
        set_descriptor FREE_SELECTOR, 0x30000, 0xffff, 0x493
        mov   dword [es:0], 0x1111
        mov   es, ax
        mov   dword [es:0], 0x2222
        hlt
