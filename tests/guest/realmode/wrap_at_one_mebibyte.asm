; FFFF:0010 is physical 100000h with A20 on, and 0 with A20 off (port 92h).
; mode:   real
; devices: board
; source: Intel SDM Vol. 3A, "8086 Emulation", address translation; AT port 92h
; expect: mem[0x100000]=word:0x2222 mem[RESULT]=word:0x1111 mem[RESULT+2]=word:0x2222 mem[RESULT+4]=word:0x3333 mem[0x600]=word:0x3333
%include "real.inc"
        mov   ax, 0xffff
        mov   es, ax
        in    al, 0x92
        or    al, 2
        and   al, 0xfe
        out   0x92, al
        mov   word [0x600], 0x1111
        mov   word [es:0x610], 0x2222
        mov   word [es:0x10], 0x2222
        mov   ax, [0x600]
        mov   [RESULT], ax
        mov   ax, [es:0x610]
        mov   [RESULT + 2], ax
        in    al, 0x92
        and   al, 0xfc
        out   0x92, al
        mov   word [es:0x610], 0x3333
        mov   ax, [0x600]
        mov   [RESULT + 4], ax
        in    al, 0x92
        or    al, 2
        and   al, 0xfe
        out   0x92, al
        hlt
