; #DE on a quotient that does not fit: DIV, IDIV and AAM; the registers stay.
; mode:   protected32
; source: Intel SDM Vol. 2, "DIV", "IDIV", "AAM"
; expect: log=5 log[0]=#DE@by_zero log[1]=#DE@too_large log[2]=#DE@most_negative log[3]=#DE@aam_zero log[4]=#DE@byte_form
; expect: eax=0x80000000 edx=0xffffffff
%include "protected32.inc"
        install_handlers32
%macro refuse 2+                ; label, instruction
        try   after_%1
%1:     %2
after_%1:
%endmacro
        xor   ecx, ecx
        mov   eax, 1
        refuse by_zero, div ecx
        mov   edx, 1
        inc   ecx
        refuse too_large, div ecx
        mov   eax, 0x80000000
        cdq
        mov   ecx, -1
        refuse most_negative, idiv ecx
        refuse aam_zero, aam 0
        mov   eax, 0x80000000
        mov   cl, 0
        refuse byte_form, div cl
        hlt
