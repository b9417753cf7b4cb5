; A non-canonical address is #GP(0), through SS #SS(0); so is one whose last byte is not canonical.
; mode:   long64
; source: Intel SDM Vol. 1, "Canonical Addressing"; Vol. 2, "MOV", 64-Bit Mode Exceptions
; expect: log=6 log[0]=#GP(0)@data log[1]=#SS(0)@stack log[2]=#SS(0)@push_ log[3]=#GP(0)@jump log[4]=#GP(0)@across log[5]=#SS(0)@frame
%include "long64.inc"
        install_handlers64
        mov   byte [IDT + 12 * 16 + 4], 1
        mov   byte [IDT + 13 * 16 + 4], 1
        mov   rbx, 0x0000_8000_0000_0000
%macro refuse 2+                ; label, instruction
        try   after_%1
%1:     %2
after_%1:
%endmacro
        refuse data, mov al, [rbx]
        refuse stack, mov al, [rsp + rbx]
        mov   rsp, rbx
        add   rsp, 8
        refuse push_, push rax
        mov   esp, PROGRAM_STACK
        refuse jump, jmp rbx
        refuse across, mov eax, [rbx - 2]
        mov   rbp, rbx
        refuse frame, mov [rbp], al
        hlt
