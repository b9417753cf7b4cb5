; PS in a pointer entry maps 1 GiB where the processor has such pages.
; mode:   long64
; source: Intel SDM Vol. 3A, "4-Level Paging and 5-Level Paging"
; expect: mem[0x30008]=qword:0x1122334455667788 log=1 log[0]=#PF(9)@misaligned,cr2=0x80000000
%include "long64.inc"
        install_handlers64
        mov   qword [PDPT + 8], P | W | PS
        mov   qword [PDPT + 16], P | W | PS | 1 << 13
        mov   rax, 0x1122334455667788
        mov   ebx, 0x40030008
        mov   [rbx], rax
        try   done
        mov   ebx, 0x80000000
misaligned:
        mov   al, [rbx]
done:   hlt
