; Selectors with TI = 1 name the LDT; without one they are outside of every table.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Segment Selectors"; Vol. 2, "LLDT"
; expect: log=3 log[0]=#GP(0x0c)@in_ldt log[1]=#GP(0x404)@beyond log[2]=#GP(0x0c)@without
; expect: es=0x0f eax=0x600d600d ldtr=0 mem[LDT+13]=byte:0xf3
%include "protected32.inc"
        install_handlers32
        store64 LDT + 8, DESCRIPTOR(SCRATCH, 0xffff, 0x4f2)
        mov   dword [SCRATCH], 0x600d600d
        try   after_first
        mov   eax, 0x0f
in_ldt: mov   es, ax
after_first:
        mov   ecx, LDT_SELECTOR
        lldt  cx
        mov   es, ax
        try   after_beyond
        mov   ebx, 0x407
beyond: mov   gs, bx
after_beyond:
        mov   edx, [es:0]
        xor   ecx, ecx
        lldt  cx                ; A null selector is welcome: no LDT.
        try   done
without:
        mov   fs, ax
done:   mov   eax, [es:0]       ; The hidden part of ES lives on.
        hlt
