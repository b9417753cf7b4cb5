; In real mode an operand that crosses offset FFFF is #GP, on the stack #SS, without error codes.
; mode:   real
; source: Intel SDM Vol. 3A, "Real-Address Mode Operation", table "Real-Address Mode Exceptions and Interrupts"
; expect: log=3 log[0]=#GP@data log[1]=#SS@stack log[2]=#GP@far_offset
%include "real.inc"
        install_handlers16
        try   after_data
        mov   bx, 0xffff
data:   mov   ax, [bx]
after_data:
        try   after_stack
        mov   bp, 0xffff
stack:  mov   ax, [bp]
after_stack:
        try   done
        mov   ebx, 0x10000
far_offset:
        mov   al, [ebx]
done:   hlt
