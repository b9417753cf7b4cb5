; The dirty bit must be set by the first store, also where a load has cached the translation, and
; again after software cleared it and flushed.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Accessed and Dirty Flags"
; expect: mem[RESULT]=dword:0x20 mem[RESULT+4]=dword:0x60 mem[RESULT+8]=dword:0x20 mem[RESULT+12]=dword:0x60
%include "protected32.inc"
        install_handlers32
        build_pages32
        enable_paging
        mov   edi, RESULT
%macro note 0
        mov   eax, [PTE32(0x30000)]
        and   eax, 0x60
        stosd
%endmacro
        mov   ebx, [0x30000]
        note
        mov   [0x30000], ebx
        note
        and   dword [PTE32(0x30000)], ~0x60
        invlpg [0x30000]
        mov   ebx, [0x30000]
        note
        mov   [0x30000], ebx
        note
        hlt
