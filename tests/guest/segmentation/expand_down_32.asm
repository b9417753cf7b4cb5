; An expand-down segment holds what lies above its limit, up to FFFFFFFF with B set.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Limit Checking"
; expect: log=2 log[0]=#GP(0)@at_limit log[1]=#GP(0)@over_the_top
; expect: mem[0x21000]=dword:0x11223344 mem[0x1ffff]=byte:0x66
%include "protected32.inc"
        install_handlers32
        set_descriptor FREE_SELECTOR, SCRATCH, 0xfff, 0x497
        mov   eax, FREE_SELECTOR
        mov   es, ax
        mov   dword [es:0x1000], 0x11223344
        mov   byte [es:0xffffffff], 0x66
        try   after_limit
at_limit:
        mov   byte [es:0xfff], 1
after_limit:
        try   done
over_the_top:
        mov   dword [es:0xfffffffd], 1
done:   hlt
