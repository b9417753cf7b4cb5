; A page fault whose delivery raises a contributory exception, or a page fault, is a double fault.
; mode:   protected32
; source: Intel SDM Vol. 3A, table "Conditions for Generating a Double Fault"
; expect: log=1 log[0]=#DF(0)@bad,cr2=0x30000
%include "protected32.inc"
        install_handlers32
        build_pages32
        mov   dword [PTE32(0x30000)], 0
        mov   byte [IDT + 14 * 8 + 5], 0x0e
        enable_paging
bad:    mov   eax, [0x30000]
        hlt
