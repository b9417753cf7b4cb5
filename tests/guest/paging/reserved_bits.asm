; Physical address bits beyond what the processor has, and PS in the top level, are reserved.
; mode:   long64
; source: Intel SDM Vol. 3A, "Page-Fault Exceptions", RSVD flag
; expect: log=3 log[0]=#PF(9)@wide_page log[1]=#PF(9)@wide_table log[2]=#PF(0xb)@top
%include "long64.inc"
        install_handlers64
        mov   rax, 1 << 51 | 0x30000 | P | W
        mov   [PTE(0x30000)], rax
        mov   rax, 1 << 51 | PT | P | W
        mov   [PD + 5 * 8], rax
        mov   rax, PDPT | P | W | PS
        mov   [PML4 + 8], rax
        try   after
wide_page:
        mov   al, [0x30000]
after:  try   after_table
        mov   ebx, 5 << 21
wide_table:
        mov   al, [rbx]
after_table:
        try   done
        mov   rbx, 1 << 39
top:    mov   [rbx], al
done:   hlt
