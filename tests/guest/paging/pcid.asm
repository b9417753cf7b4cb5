; With PCIDs, translations of each address space keep apart; bit 63 of CR3's new value keeps them.
; mode:   long64
; source: Intel SDM Vol. 3A, "Process-Context Identifiers (PCIDs)"
; expect: eax=0x22 ebx=0x33 ecx=0x44 cr3=0x10001 log=2 log[0]=#GP(0)@pcide_with_low_bits log[1]=#GP(0)@pae_off
%include "long64.inc"
        install_handlers64
        mov   byte [0x32000], 0x22
        mov   byte [0x33000], 0x33
        mov   byte [0x34000], 0x44
        ; Bits 11-0 of CR3 must be zero when PCIDE goes on.
        mov   rax, PML4 | 8
        mov   cr3, rax
        mov   rbp, cr4
        bts   rbp, 17
        try   after
pcide_with_low_bits:
        mov   cr4, rbp
after:  mov   eax, PML4
        mov   cr3, rax
        mov   cr4, rbp
        ; A copy of the tables, in which 0x30000 is another page.
        mov   esi, PT
        mov   edi, MORE_TABLES + 0x3000
        mov   ecx, 512
        rep   movsq
        mov   qword [MORE_TABLES + 0x3000 + 0x30 * 8], 0x33000 | P | W
        mov   qword [MORE_TABLES], (MORE_TABLES + 0x1000) | P | W | U
        mov   qword [MORE_TABLES + 0x1000], (MORE_TABLES + 0x2000) | P | W | U
        mov   qword [MORE_TABLES + 0x2000], (MORE_TABLES + 0x3000) | P | W | U
        mov   qword [PTE(0x30000)], 0x32000 | P | W
        mov   rax, PML4 | 1
        mov   cr3, rax
        movzx r8d, byte [0x30000]
        mov   rax, MORE_TABLES | 2
        mov   cr3, rax
        movzx r9d, byte [0x30000]
        mov   qword [PTE(0x30000)], 0x34000 | P | W
        mov   rax, PML4 | 1     ; Without bit 63: this PCID's translations are dropped.
        mov   cr3, rax
        movzx r10d, byte [0x30000]
        mov   rax, rbp
        and   rax, ~CR4_PAE
        try   done
pae_off:
        mov   cr4, rax
done:   mov   eax, r8d
        mov   ebx, r9d
        mov   ecx, r10d
        hlt
