; PKRU takes away access (AD) or stores (WD) by the key of a user page; the error code says PK.
; mode:   long64
; source: Intel SDM Vol. 3A, "Protection Keys"
; expect: log=4 log[0]=#PF(0x25)@read,cr2=0x30000,cs=0x3b log[1]=#PF(0x27)@write,cr2=0x31000,cs=0x3b
; expect: log[2]=#PF(0x23)@kernel_write,cs=0x08 log[3]=#GP(0)@bad_wrpkru eax=0x11
%include "long64.inc"
        install_handlers64
        mov   byte [0x31000], 0x11
        mov   rax, 5 << 59 | 0x30000 | P | W | U        ; Key 5: no access.
        mov   [PTE(0x30000)], rax
        mov   rax, 6 << 59 | 0x31000 | P | W | U        ; Key 6: no stores.
        mov   [PTE(0x31000)], rax
        mov   rax, 5 << 59 | 0x32000 | P | W            ; Keys concern user pages only.
        mov   [PTE(0x32000)], rax
        mov   rax, cr3
        mov   cr3, rax
        mov   rax, cr4
        or    rax, CR4_PKE
        mov   cr4, rax
        xor   ecx, ecx
        xor   edx, edx
        mov   eax, 1 << 10 | 2 << 12
        wrpkru
        mov   [0x32000], al
        to_ring3_64
%macro refuse 2+                ; label, instruction
        try   after_%1
%1:     %2
after_%1:
%endmacro
        refuse read, mov bl, [0x30000]
        movzx ebp, byte [0x31000]
        refuse write, mov byte [0x31000], 2
        to_ring0
        refuse kernel_write, mov byte [0x31000], 3
        mov   ecx, 1
        refuse bad_wrpkru, wrpkru
        mov   rax, cr0
        and   rax, ~CR0_WP
        mov   cr0, rax
        mov   byte [0x31000], 4 ; Without WP, ring 0's stores are not held up by WD.
        mov   eax, ebp
        hlt
