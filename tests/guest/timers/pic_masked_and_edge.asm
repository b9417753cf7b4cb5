; A masked request waits in the controller and arrives when the mask goes; CLI holds it back too.
; mode:   protected32
; devices: board
; limit:  20000000
; source: Intel 8259A data sheet, "Interrupt Request Register", "Interrupt Mask Register"
; expect: log=1 log[0]=0x20@here ebx=1
%include "protected32.inc"
        install_handlers32
        call  program_pic
        mov   al, 0xff
        out   0x21, al
        mov   al, 0x30          ; Mode 0: one interrupt on terminal count.
        out   0x43, al
        mov   al, 10
        out   0x40, al
        mov   al, 0
        out   0x40, al
        sti
        mov   ecx, 20000
delay:  loop  delay
        mov   al, 0x0a          ; Read IRR.
        out   0x20, al
        in    al, 0x20
        and   eax, 1
        mov   ebx, eax
        mov   al, 0xfe
        out   0x21, al
here:   nop
        cli
        hlt
%include "pic.inc"
