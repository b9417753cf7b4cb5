; No trap between MOV SS and the instruction after it.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Masking Exceptions and Interrupts When Switching Stacks"
; expect: log=3 log[0]=#DB@after_load log[1]=#DB@pop_flags log[2]=#DB@behind
%include "protected32.inc"
        install_handlers32
        push  dword 2
        mov   ebx, DATA32
        mov   ecx, esp
        push  dword FLAG_TF | 2
        popfd
        mov   ecx, ecx
after_load:
        mov   ss, bx
        mov   esp, ecx
pop_flags:
        popfd
behind: hlt
