; The last byte of a segment can be reached; an operand that ends behind it cannot.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Limit Checking"
; expect: log=3 log[0]=#GP(0)@data log[1]=#SS(0)@stack log[2]=#GP(0)@far_away
; expect: mem[0x20fff]=byte:0x5a
%include "protected32.inc"
        install_handlers32
        set_descriptor FREE_SELECTOR, SCRATCH, 0xfff, 0x493
        mov   eax, FREE_SELECTOR
        mov   es, ax
        mov   byte [es:0xfff], 0x5a
        mov   ebx, [es:0xffc]
        try   after_data
data:   mov   ebx, [es:0xffd]
after_data:
        try   after_stack
        mov   ss, ax
        mov   esp, 0x800        ; The handler needs a stack that works.
        mov   ebp, 0xfff
stack:  mov   bx, [ebp]
after_stack:
        mov   eax, DATA32
        mov   ss, ax
        mov   esp, PROGRAM_STACK
        try   done
far_away:
        mov   byte [es:0xffffffff], 1
done:   hlt
