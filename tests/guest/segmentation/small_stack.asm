; With SS.B clear the stack pointer is SP: it wraps at 64 KiB and the upper half of ESP is not used.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Segment Descriptors", D/B flag; Vol. 1, "Address-Size Attribute for Stack"
; expect: esp=0x1234fffc mem[0x2fffc]=dword:0xcafe0001 ebx=0x1234fff8 log=0
%include "protected32.inc"
        install_handlers32
        set_descriptor FREE_SELECTOR, SCRATCH, 0xffff, 0x093
        mov   eax, FREE_SELECTOR
        mov   ss, ax
        mov   esp, 0x12340000
        push  dword 0xcafe0001
        push  dword 2
        mov   ebx, esp
        pop   eax
        hlt
