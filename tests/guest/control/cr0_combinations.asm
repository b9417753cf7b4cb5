; Combinations of CR0 that are #GP(0): PG without PE, NW without CD; ET cannot be cleared.
; mode:   protected32
; source: Intel SDM Vol. 2, "MOV—Move to/from Control Registers", Protected Mode Exceptions
; expect: log=2 log[0]=#GP(0)@pg_without_pe log[1]=#GP(0)@nw_without_cd cr0=0x10/0x60000010 ebx=0x60000010/0x60000010
%include "protected32.inc"
        install_handlers32
        mov   eax, cr0
        mov   ecx, eax
        and   ecx, ~CR0_PE
        or    ecx, CR0_PG
        try   after
pg_without_pe:
        mov   cr0, ecx
after:  mov   ecx, eax
        or    ecx, CR0_NW
        try   after_nw
nw_without_cd:
        mov   cr0, ecx
after_nw:
        or    ecx, CR0_CD
        mov   cr0, ecx
        mov   ebx, cr0
        and   eax, ~0x10
        mov   cr0, eax
        hlt
