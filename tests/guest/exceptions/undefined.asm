; What is #UD everywhere: UD0-UD2, LOCK where it may not stand, reserved forms.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Interrupt 6—Invalid Opcode Exception (#UD)"; Vol. 2, "LOCK"
; expect: log=11 log[0]=#UD@ud2_ log[1]=#UD@ud1_ log[2]=#UD@lock_register log[3]=#UD@lock_mov log[4]=#UD@lock_compare
; expect: log[5]=#UD@lea_register log[6]=#UD@mov_cs log[7]=#UD@mov_segment_6 log[8]=#UD@mov_cr1 log[9]=#UD@les_register
; expect: log[10]=#UD@group_ff_7 mem[RESULT]=dword:1
%include "protected32.inc"
        install_handlers32
%macro refuse 2+                ; label, bytes
        try   after_%1
%1:     db    %2
after_%1:
%endmacro
        refuse ud2_, 0x0f, 0x0b
        refuse ud1_, 0x0f, 0xb9, 0xc0
        refuse lock_register, 0xf0, 0x01, 0xc0
        refuse lock_mov, 0xf0, 0x89, 0x00
        refuse lock_compare, 0xf0, 0x39, 0x00
        refuse lea_register, 0x8d, 0xc0
        refuse mov_cs, 0x8e, 0xc8
        refuse mov_segment_6, 0x8e, 0xf0
        refuse mov_cr1, 0x0f, 0x20, 0xc8
        refuse les_register, 0xc4, 0xc0
        refuse group_ff_7, 0xff, 0xf8
        lock  inc dword [RESULT]
        hlt
