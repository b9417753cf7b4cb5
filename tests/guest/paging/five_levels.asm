; LA57: a fifth level, 57-bit addresses, and canonical means bits 63-56 equal.
; mode:   real
; cpu:    max,+la57
; source: Intel SDM Vol. 3A, "5-Level Paging"
; expect: eax=0x57575757 log=2 log[0]=#GP(0)@not_canonical log[1]=#GP(0)@switch_off cr4=0x1000/0x1000
%include "real.inc"
%include "modes.inc"
%include "handlers64.inc"
bits 16
        enter_protected
        ; The fifth level at 0x14000 leads to the runner's four, at 0 and at the top of its half.
        mov   dword [MORE_TABLES], PML4 | P | W
        mov   dword [MORE_TABLES + 255 * 8], PML4 | P | W
        mov   eax, cr4
        or    eax, CR4_PAE | CR4_LA57
        mov   cr4, eax
        mov   eax, MORE_TABLES
        mov   cr3, eax
        set_msr EFER, EFER_LME
        mov   eax, cr0
        or    eax, CR0_PG
        mov   cr0, eax
        jmp   CODE64:in_long_mode
bits 64
in_long_mode:
        install_handlers64
        mov   dword [0x30000], 0x57575757
        mov   rbx, 255 << 48
        mov   eax, [rbx + 0x30000]
        mov   rbx, 1 << 56
        try   after
not_canonical:
        mov   ecx, [rbx]
after:  mov   rcx, cr4
        btr   rcx, 12
        try   done
switch_off:
        mov   cr4, rcx
done:   hlt
