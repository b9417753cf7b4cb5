; What long mode does not allow: PAE off, PG off from 64-bit code, LME changed, LA57 changed, upper halves.
; mode:   long64
; source: Intel SDM Vol. 3A, "Initializing IA-32e Mode", "IA-32e Mode Operation"; Vol. 2, "MOV—Move to/from Control Registers"
; expect: log=7 log[0]=#GP(0)@pae_off log[1]=#GP(0)@paging_off log[2]=#GP(0)@lme_off log[3]=#GP(0)@cr0_upper log[4]=#GP(0)@cr4_upper
; expect: log[5]=#GP(0)@cr3_upper log[6]=#GP(0)@efer_reserved efer=0x500/0x500
%include "long64.inc"
        install_handlers64
%macro refuse 2+                ; label, instruction
        try   after_%1
%1:     %2
after_%1:
%endmacro
        mov   rax, cr4
        and   rax, ~CR4_PAE
        refuse pae_off, mov cr4, rax
        mov   rax, cr0
        btr   rax, 31
        refuse paging_off, mov cr0, rax
        mov   ecx, EFER
        rdmsr
        and   eax, ~EFER_LME
        refuse lme_off, wrmsr
        mov   rax, cr0
        bts   rax, 32
        refuse cr0_upper, mov cr0, rax
        mov   rax, cr4
        bts   rax, 32
        refuse cr4_upper, mov cr4, rax
        mov   rax, cr3
        bts   rax, 60
        refuse cr3_upper, mov cr3, rax
        rdmsr
        or    eax, 2
        refuse efer_reserved, wrmsr
        hlt
