; Instructions that 64-bit mode took away.
; mode:   long64
; source: Intel SDM Vol. 2, "AAA", "BOUND", "INTO", "PUSHA", 64-Bit Mode Exceptions
; expect: log=13 log[0]=#UD@push_es log[1]=#UD@daa_ log[2]=#UD@aaa_ log[3]=#UD@pusha_ log[4]=#UD@popa_ log[5]=#UD@les_
; expect: log[6]=#UD@into_ log[7]=#UD@aam_ log[8]=#UD@salc_ log[9]=#UD@call_far log[10]=#UD@jmp_far log[11]=#UD@opcode_82
; expect: log[12]=#UD@bound_
%include "long64.inc"
        install_handlers64
%macro refuse 2+                ; label, bytes
        try   after_%1
%1:     db    %2
after_%1:
%endmacro
        refuse push_es, 0x06
        refuse daa_, 0x27
        refuse aaa_, 0x37
        refuse pusha_, 0x60
        refuse popa_, 0x61
        refuse les_, 0xc4, 0x00
        refuse into_, 0xce
        refuse aam_, 0xd4, 0x0a
        refuse salc_, 0xd6
        refuse call_far, 0x9a, 0, 0, 0, 0, 0, 0
        refuse jmp_far, 0xea, 0, 0, 0, 0, 0, 0
        refuse opcode_82, 0x82, 0xc0, 0x01
        refuse bound_, 0x62, 0x00
        hlt
