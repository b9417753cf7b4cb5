; The pager of the test before returns to the instruction itself.
; mode:   protected32
; source: Intel SDM Vol. 2, "REP/REPE/REPZ/REPNE/REPNZ"
; expect: ecx=0 esi=0x30000 edi=0x2fff8 mem[RESULT]=dword:3 mem[0x30000]=dword:0x77 mem[0x2fffc]=dword:0x77 mem[0x32ffc]=dword:0x77
%include "protected32.inc"
        install_handlers32
        build_pages32
        mov   dword [PTE32(0x30000)], 0
        mov   dword [PTE32(0x31000)], 0
        mov   dword [PTE32(0x32000)], 0
        set_gate32 14, CODE32, pager, 0x8e
        enable_paging
        std
        mov   edi, 0x32ffc      ; Downwards, three missing pages.
        mov   eax, 0x77
        mov   ecx, 0xc01
        mov   esi, 0x30000
        rep   stosd
        hlt
pager:  push  eax
        mov   eax, cr2
        and   eax, ~0xfff
        push  eax
        shr   eax, 10
        add   eax, PDPT
        pop   dword [eax]
        or    dword [eax], P | W
        inc   dword [RESULT]
        pop   eax
        add   esp, 4
        iretd
