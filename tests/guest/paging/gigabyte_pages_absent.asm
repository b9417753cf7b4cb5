; A processor without 1 GiB pages takes PS in a pointer entry for a reserved bit.
; mode:   long64
; cpu:    x86-64-v2
; source: Intel SDM Vol. 3A, "4-Level Paging and 5-Level Paging"
; expect: log=1 log[0]=#PF(9)@access
%include "long64.inc"
        install_handlers64
        mov   qword [PDPT + 8], P | W | PS
        try   done
        mov   ebx, 0x40000000
access: mov   al, [rbx]
done:   hlt
