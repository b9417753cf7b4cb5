; In virtual-8086 mode ports go by the I/O permission bitmap alone, whatever IOPL is; every byte of
; an access counts.
; mode:   protected32
; source: Intel SDM Vol. 3B, "Protected-Mode I/O"; Vol. 1, "I/O Permission Bit Map"
; expect: log=3 log[0]=#GP(0)@denied log[1]=#GP(0)@half_denied log[2]=#GP(0)@beyond mem[RESULT]=word:0x1234
%include "v86.inc"
        install_handlers32
        ; Ports 0 to 1ffh described; 80h and 81h open, 82h closed.
        set_descriptor TSS_SELECTOR, TSS, 0x68 + 0x40, 0x089
        mov   eax, TSS_SELECTOR
        ltr   ax
        mov   edi, TSS + 0x68
        mov   ecx, 0x41
        mov   al, 0xff
        rep   stosb
        mov   byte [TSS + 0x68 + 0x10], 0xfc
        to_v86 3
        mov   ax, 0x1234
        out   0x80, ax
        xor   ax, ax
        in    ax, 0x80
        mov   [RESULT], ax
        try   after_denied
denied: in    al, 0x82
after_denied:
        try   after_half
half_denied:
        out   0x81, ax
after_half:
        try   done
        mov   dx, 0x300
beyond: in    al, dx
done:   leave_v86
        hlt
