; LMA is paging and LME; entering long mode wants PAE, and CS.L clear.
; mode:   real
; source: Intel SDM Vol. 3A, "Initializing IA-32e Mode"
; expect: log=1 log[0]=#GP(0)@without_pae mem[RESULT]=dword:0x100/0x500 mem[RESULT+4]=dword:0x500/0x500 mem[RESULT+8]=dword:0x100/0x500
%include "real.inc"
%include "modes.inc"
        bits 16
        enter_protected
        install_handlers32
        set_msr EFER, EFER_LME
        mov   eax, PML4
        mov   cr3, eax
        mov   eax, cr0
        bts   eax, 31
        try   after
without_pae:
        mov   cr0, eax
after:  rdmsr
        mov   [RESULT], eax
        mov   eax, cr4
        or    eax, CR4_PAE
        mov   cr4, eax
        mov   eax, cr0
        bts   eax, 31
        mov   cr0, eax
        rdmsr
        mov   [RESULT + 4], eax
        mov   eax, cr0
        btr   eax, 31
        mov   cr0, eax
        rdmsr
        mov   [RESULT + 8], eax
        hlt
