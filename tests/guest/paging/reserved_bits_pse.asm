; Reserved bits of a 4 MiB entry raise #PF with RSVD, also for ring 0.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Page-Fault Exceptions", RSVD flag; "32-Bit Paging"
; expect: log=2 log[0]=#PF(9)@read log[1]=#PF(0xb)@write,cr2=0x400004
%include "protected32.inc"
        install_handlers32
        build_pages32
        mov   dword [PML4 + 4], 0x400000 | 1 << 21 | P | W | PS
        mov   eax, cr4
        or    eax, CR4_PSE
        mov   cr4, eax
        enable_paging
        try   after
read:   mov   eax, [0x400000]
after:  try   done
write:  mov   [0x400004], eax
done:   hlt
