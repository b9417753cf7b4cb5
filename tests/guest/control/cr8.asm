; CR8 holds four bits; others are #GP(0).
; mode:   long64
; source: Intel SDM Vol. 3A, "Task Priority in IA-32e Mode"
; expect: rbx=9 log=1 log[0]=#GP(0)@too_large
%include "long64.inc"
        install_handlers64
        mov   eax, 9
        mov   cr8, rax
        mov   eax, 16
        try   done
too_large:
        mov   cr8, rax
done:   mov   rbx, cr8
        hlt
