; In 64-bit mode the upper halves of DR6 and DR7 must be zero: #GP(0).
; mode:   long64
; source: Intel SDM Vol. 2, "MOV—Move to/from Debug Registers", 64-Bit Mode Exceptions
; expect: log=2 log[0]=#GP(0)@write_dr6 log[1]=#GP(0)@write_dr7 rbx=0xffff800000001000
%include "long64.inc"
        install_handlers64
        mov   rax, 1 << 32
        try   after
write_dr6:
        mov   dr6, rax
after:  try   done
write_dr7:
        mov   dr7, rax
done:   mov   rax, 0xffff800000001000
        mov   dr2, rax
        mov   rbx, dr2
        hlt
