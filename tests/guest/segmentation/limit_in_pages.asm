; With G set the limit counts 4 KiB units and its low twelve bits are ones.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Segment Descriptors", G (granularity) flag; "Limit Checking"
; expect: log=1 log[0]=#GP(0)@beyond mem[0x21fff]=byte:0x77 eax=0x1fff
%include "protected32.inc"
        install_handlers32
        set_descriptor FREE_SELECTOR, SCRATCH, 1, 0xc93
        mov   eax, FREE_SELECTOR
        mov   es, ax
        mov   byte [es:0x1fff], 0x77
        try   after
beyond: mov   byte [es:0x2000], 0x77
after:  mov   ecx, FREE_SELECTOR
        lsl   eax, ecx
        hlt
