; SMAP: ring 0 reaches user pages only with AC set; processor accesses never do.
; mode:   long64
; source: Intel SDM Vol. 3A, "Determination of Access Rights"; Vol. 2, "STAC", "CLAC"
; expect: log=4 log[0]=#PF(1)@read,cr2=0x30000 log[1]=#PF(3)@write log[2]=#PF(1)@again log[3]=#PF(1)@implicit,cr2=0x30000
; expect: eax=0x5a mem[0x30000]=byte:0x5a rflags!=AC
%include "long64.inc"
        install_handlers64
        supervisor_pages 0, 16
        mov   byte [0x30000], 0x5a
        mov   rax, cr4
        or    rax, CR4_SMAP
        mov   cr4, rax
%macro refuse 2+                ; label, instruction
        try   after_%1
%1:     %2
after_%1:
%endmacro
        refuse read, mov al, [0x30000]
        refuse write, mov byte [0x30000], 1
        stac
        movzx r8d, byte [0x30000]
        clac
        refuse again, mov bl, [0x30000]
        ; A descriptor table on a user page: implicit, so AC does not help.
        mov   rax, DESCRIPTOR(0x30000, 0x3ff, 0x082)
        mov   [GDT + FREE_SELECTOR], rax
        mov   ecx, FREE_SELECTOR
        lldt  cx
        mov   ecx, 4
        stac
        try   done
implicit:
        mov   fs, cx
done:   clac
        mov   eax, r8d
        hlt
