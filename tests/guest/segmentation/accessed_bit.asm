; Loading a segment register sets the accessed bit of its descriptor; so does a far jump. VERR does not.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Code- and Data-Segment Descriptor Types"
; expect: mem[GDT+0x85]=byte:0x93 mem[GDT+0x8d]=byte:0x9b mem[GDT+0x95]=byte:0x92 ecx=1 log=0
%include "protected32.inc"
        install_handlers32
        set_descriptor FREE_SELECTOR, 0, 0xfffff, 0xc92
        set_descriptor FREE_SELECTOR + 8, 0, 0xfffff, 0xc9a
        set_descriptor FREE_SELECTOR + 16, 0, 0xfffff, 0xc92
        mov   eax, FREE_SELECTOR
        mov   fs, ax
        jmp   FREE_SELECTOR + 8:there
there:  mov   eax, FREE_SELECTOR + 16
        xor   ecx, ecx
        verr  ax
        setz  cl
        hlt
