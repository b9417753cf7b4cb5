; Real mode, protected mode, long mode, compatibility mode, paging off, real mode again.
; mode:   real
; source: Intel SDM Vol. 3A, "Initializing IA-32e Mode", "Mode Switching"
; expect: mem[RESULT]=dword:1 mem[RESULT+4]=dword:2 mem[RESULT+8]=dword:3 mem[RESULT+12]=dword:4 cr0=0/0x80000001 efer=0/0x500 cs=0 log=0
%include "real.inc"
%include "modes.inc"
        bits 16
        enter_protected
        mov   dword [RESULT], 1
        enter_long
        mov   qword [RESULT + 4], 2
        push  CODE32
        push  compatibility
        o64   retf
bits 32
compatibility:
        mov   dword [RESULT + 8], 3
        mov   eax, cr0
        btr   eax, 31
        mov   cr0, eax
        mov   ecx, EFER
        rdmsr
        and   eax, ~EFER_LME
        wrmsr
        jmp   CODE16:protected16
bits 16
protected16:
        mov   ax, DATA16
        mov   ds, ax
        mov   ss, ax
        mov   eax, cr0
        and   al, ~CR0_PE
        mov   cr0, eax
        jmp   0:real
real:   xor   ax, ax
        mov   ds, ax
        mov   ss, ax
        mov   dword [RESULT + 12], 4
        hlt
