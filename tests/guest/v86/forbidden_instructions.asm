; Instructions of protected mode are not recognized in virtual-8086 mode; privileged ones are #GP(0).
; mode:   protected32
; source: Intel SDM Vol. 2, "LAR", "LLDT", "ARPL", "STR", Virtual-8086 Mode Exceptions
; expect: log=9 log[0]=#UD@arpl_ log[1]=#UD@lar_ log[2]=#UD@lldt_ log[3]=#UD@str_ log[4]=#UD@verr_
; expect: log[5]=#GP(0)@mov_cr log[6]=#GP(0)@clts_ log[7]=#GP(0)@lgdt_ log[8]=#GP(0)@wbinvd_
%include "v86.inc"
        install_handlers32
        to_v86 3
%macro refuse 2+                ; label, instruction
        try   after_%1
%1:     %2
after_%1:
%endmacro
        refuse arpl_, db 0x63, 0xd8
        refuse lar_, lar ax, bx
        refuse lldt_, lldt ax
        refuse str_, str ax
        refuse verr_, verr ax
        refuse mov_cr, mov eax, cr0
        refuse clts_, clts
        refuse lgdt_, lgdt [RESULT]
        refuse wbinvd_, wbinvd
        leave_v86
        hlt
