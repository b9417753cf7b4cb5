; The last page below 4 GiB and offsets that wrap: 32-bit linear addresses wrap at 4 GiB.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Logical and Linear Addresses"
; expect: eax=0x5678 mem[0x100]=dword:0x5678 log=0
%include "protected32.inc"
        install_handlers32
        set_descriptor FREE_SELECTOR, 0xfffff000, 0xfffff, 0xc93
        mov   eax, FREE_SELECTOR
        mov   es, ax
        mov   dword [es:0x1100], 0x5678
        mov   eax, [0x100]
        hlt
