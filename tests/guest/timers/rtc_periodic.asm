; The RTC's periodic interrupt arrives on IRQ 8, and no second one before register C is read.
; mode:   protected32
; devices: board
; limit:  50000000
; source: Motorola MC146818A data sheet, "Periodic Interrupt", register C
; expect: log=2 log[0]=0x28 log[1]=0x28 ebx=0xc0/0xc0
%include "protected32.inc"
        install_handlers32
        call  program_pic
        mov   al, 0xfb
        out   0x21, al
        mov   al, 0x0a
        out   0x70, al
        mov   al, 0x26          ; 1024 Hz
        out   0x71, al
        mov   al, 0x0b
        out   0x70, al
        mov   al, 0x42
        out   0x71, al
        mov   al, 0x0c
        out   0x70, al
        in    al, 0x71
        sti
        hlt
        mov   al, 0x0c
        out   0x70, al
        in    al, 0x71
        movzx ebx, al
        hlt
        cli
        hlt
%include "pic.inc"
