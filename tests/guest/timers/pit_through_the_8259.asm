; PIT channel 0 raises IRQ 0 again and again; HLT waits for it.
; mode:   protected32
; devices: board
; limit:  20000000
; source: Intel 8254 data sheet, mode 2; 8259A data sheet
; expect: log=3 log[0]=0x20 log[1]=0x20 log[2]=0x20
%include "protected32.inc"
        install_handlers32
        call  program_pic
        mov   al, 0x34
        out   0x43, al
        mov   al, 0
        out   0x40, al
        mov   al, 0x10
        out   0x40, al
        sti
wait_:  hlt
        cmp   dword [LOG_COUNT], 3
        jb    wait_
        cli
        hlt
%include "pic.inc"
