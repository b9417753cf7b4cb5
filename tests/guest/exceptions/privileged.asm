; What ring 3 may not do: all #GP(0).
; mode:   protected32
; source: Intel SDM Vol. 3A, "Privileged Instructions"
; expect: log=15 log[0]=#GP(0)@hlt_ log[1]=#GP(0)@lgdt_ log[2]=#GP(0)@lidt_ log[3]=#GP(0)@lldt_ log[4]=#GP(0)@ltr_
; expect: log[5]=#GP(0)@lmsw_ log[6]=#GP(0)@clts_ log[7]=#GP(0)@read_cr0 log[8]=#GP(0)@write_cr3 log[9]=#GP(0)@read_dr0
; expect: log[10]=#GP(0)@invd_ log[11]=#GP(0)@invlpg_ log[12]=#GP(0)@rdmsr_ log[13]=#GP(0)@cli_ log[14]=#GP(0)@in_
%include "protected32.inc"
        install_handlers32
        to_ring3
%macro refuse 2+                ; label, instruction
        try   after_%1
%1:     %2
after_%1:
%endmacro
        refuse hlt_, hlt
        refuse lgdt_, lgdt [RESULT]
        refuse lidt_, lidt [RESULT]
        refuse lldt_, lldt ax
        refuse ltr_, ltr ax
        refuse lmsw_, lmsw ax
        refuse clts_, clts
        refuse read_cr0, mov eax, cr0
        refuse write_cr3, mov cr3, eax
        refuse read_dr0, mov eax, dr0
        refuse invd_, invd
        refuse invlpg_, invlpg [0]
        refuse rdmsr_, rdmsr
        refuse cli_, cli
        refuse in_, in al, 0x80
        to_ring0
        hlt
