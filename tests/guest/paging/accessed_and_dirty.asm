; A load sets A in both levels, a store D in the last one; what faults leaves D alone.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Accessed and Dirty Flags"
; expect: mem[RESULT]=dword:0x20 mem[RESULT+4]=dword:0x60 mem[RESULT+8]=dword:0/0x40 mem[RESULT+12]=dword:0x20/0x60
; expect: mem[RESULT+16]=dword:0 mem[RESULT+20]=dword:0x60/0x60 log=1 log[0]=#PF(3)@refused
%include "protected32.inc"
        install_handlers32
        build_pages32
        mov   dword [PTE32(0x32000)], 0x32000 | P
        enable_paging CR0_WP
        mov   eax, [0x30000]
        mov   [0x31000], eax
        try   after
refused:
        mov   [0x32000], eax
after:  lock  xadd [0x34000], eax
        mov   eax, [PTE32(0x30000)]
        and   eax, 0x60
        mov   [RESULT], eax
        mov   eax, [PTE32(0x31000)]
        and   eax, 0x60
        mov   [RESULT + 4], eax
        mov   eax, [PTE32(0x32000)]
        mov   [RESULT + 8], eax
        mov   eax, [PML4]
        mov   [RESULT + 12], eax
        mov   eax, [PTE32(0x33000)]
        and   eax, 0x60
        mov   [RESULT + 16], eax
        mov   eax, [PTE32(0x34000)]
        mov   [RESULT + 20], eax
        hlt
