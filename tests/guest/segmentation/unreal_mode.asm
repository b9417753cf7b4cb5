; Back in real mode, segment registers keep the limits they got in protected mode until they are
; loaded - and loads in real mode change only the base.
; mode:   real
; source: Intel SDM Vol. 3A, "Switching Back to Real-Address Mode"
; expect: eax=0x0badcafe mem[0x200000]=dword:0x0badcafe ds=0x1000 ds.limit=0xffffffff ds.base=0x10000 log=0
%include "real.inc"
        install_handlers16
        lgdt  [pointer]
        mov   eax, cr0
        or    al, CR0_PE
        mov   cr0, eax
        jmp   short protected
protected:
        mov   bx, DATA32
        mov   ds, bx
        and   al, ~CR0_PE
        mov   cr0, eax
        jmp   0:real
real:   mov   bx, 0x1000
        mov   ds, bx
        mov   edi, 0x200000 - 0x10000
        mov   dword [edi], 0x0badcafe
        mov   eax, [edi]
        hlt
pointer:
        dw    0x3ff
        dd    GDT
