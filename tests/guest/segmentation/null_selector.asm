; A null selector may be loaded into DS, but nothing can be accessed through it; SS refuses it.
; mode:   protected32
; source: Intel SDM Vol. 2, "MOV", Protected Mode Exceptions; Vol. 3A, "Segment Selectors"
; expect: log=3 log[0]=#GP(0)@use log[1]=#GP(0)@use_rpl log[2]=#GP(0)@load_ss ds=0x20 ss=0x20
%include "protected32.inc"
        install_handlers32
        try   after_use
        xor   eax, eax
        mov   ds, ax
use:    mov   eax, [0x500]
after_use:
        push  dword DATA32
        pop   ds
        try   after_use_rpl
        mov   eax, 3            ; The RPL does not make it less null.
        mov   ds, ax
use_rpl:
        mov   [0x500], eax
after_use_rpl:
        push  dword DATA32
        pop   ds
        try   after_load
        xor   eax, eax
load_ss:
        mov   ss, ax
after_load:
        hlt
