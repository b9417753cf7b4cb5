; With EFER.NXE, bit 63 forbids fetches: #PF with I. Without it the bit is reserved.
; mode:   long64
; source: Intel SDM Vol. 3A, "Page-Fault Exceptions", I/D flag
; expect: log=3 log[0]=#PF(0x11)@0x30000,cr2=0x30000 log[1]=#PF(0x15)@0x30000,cs=0x3b log[2]=#PF(9)@reserved eax=0xc3
%include "long64.inc"
        install_handlers64
        mov   byte [0x30000], 0xc3
        mov   rax, 0x30000 | P | W | U | NX
        mov   [PTE(0x30000)], rax
        mov   rcx, cr3
        mov   cr3, rcx
        mov   ebx, 0x30000
        movzx eax, byte [rbx]
        try   after
        jmp   rbx
after:  to_ring3_64
        try   after_user
        jmp   rbx
after_user:
        to_ring0
        mov   ecx, EFER
        rdmsr
        mov   esi, eax
        and   eax, ~EFER_NXE
        wrmsr
        invlpg [0x30000]
        mov   eax, 0xc3
        try   done
reserved:
        mov   al, [rbx]
done:   hlt
