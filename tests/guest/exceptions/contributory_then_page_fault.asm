; A contributory fault whose delivery raises a page fault is no double fault: the page fault is taken.
; mode:   protected32
; source: Intel SDM Vol. 3A, table "Conditions for Generating a Double Fault"
; expect: log=1 log[0]=#PF(0)@bad,cr2=0x33008
%include "protected32.inc"
        install_handlers32
        build_pages32
        ; A GDT of two pages, the second absent; the handler of #GP has its code segment there.
        mov   esi, GDT
        mov   edi, 0x32000
        mov   ecx, 0x100
        rep   movsd
        mov   word [pointer], 0x1fff
        mov   dword [pointer + 2], 0x32000
        lgdt  [pointer]
        mov   word [IDT + 13 * 8 + 2], 0x1008
        mov   dword [PTE32(0x33000)], 0
        enable_paging
        mov   eax, DATA32 | 3
bad:    mov   fs, ax
        hlt
pointer:
        dw    0
        dd    0
