; Setting the accessed bit is a write by the processor: #PF where the table's page is read-only and WP is on.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Code- and Data-Segment Descriptor Types"; "Determination of Access Rights"
; expect: log=1 log[0]=#PF(3)@load,cr2=0x2084/0xfff8 fs=0x20 mem[GDT+0x85]=byte:0x92 es=0x20
%include "protected32.inc"
        install_handlers32
        set_descriptor FREE_SELECTOR, 0, 0xfffff, 0xc92
        build_pages32
        mov   dword [PTE32(0x2000)], 0x2000 | P
        enable_paging CR0_WP
        mov   eax, DATA32
        mov   es, ax            ; Already accessed: no write.
        try   done
        mov   eax, FREE_SELECTOR
load:   mov   fs, ax
done:   hlt
