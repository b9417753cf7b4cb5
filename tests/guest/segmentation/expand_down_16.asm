; Without B an expand-down segment ends at FFFF.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Limit Checking"
; expect: log=3 log[0]=#GP(0)@below log[1]=#GP(0)@above log[2]=#GP(0)@across
; expect: mem[0x2ffff]=byte:0x44
%include "protected32.inc"
        install_handlers32
        set_descriptor FREE_SELECTOR, SCRATCH, 0x7ff, 0x097
        mov   eax, FREE_SELECTOR
        mov   es, ax
        mov   byte [es:0xffff], 0x44
        try   after_below
below:  mov   ebx, [es:0x7fd]
after_below:
        try   after_above
above:  mov   bl, [es:0x10000]
after_above:
        try   done
across: mov   bx, [es:0xffff]
done:   hlt
