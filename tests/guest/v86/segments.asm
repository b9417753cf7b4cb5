; Virtual-8086 segments are 64 KiB at selector * 16 and readable, writable and executable alike.
; mode:   protected32
; source: Intel SDM Vol. 3B, "Virtual-8086 Mode", "Address Translation"
; expect: log=2 log[0]=#GP(0)@data,cs=0 log[1]=#SS(0)@stack,cs=0,flags=VM mem[0x21234]=word:0x5678
%include "v86.inc"
        install_handlers32
        to_v86 3
        mov   ax, 0x2000
        mov   ds, ax
        mov   word [0x1234], 0x5678
        mov   cx, [cs:code_word]
        mov   [cs:code_word], cx
        xor   ax, ax
        mov   ds, ax
        try   after
        mov   bx, 0xffff
data:   mov   ax, [bx]
after:  try   done
        mov   bp, 0xffff
stack:  mov   ax, [bp]
done:   leave_v86
        hlt
code_word: dw 0
