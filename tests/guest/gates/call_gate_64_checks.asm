; Long mode's gates: upper type bits must be zero, and the code must be 64-bit code.
; mode:   long64
; source: Intel SDM Vol. 2, "CALL", 64-Bit Mode Exceptions; Vol. 3A, "IA-32e Mode Call Gates"
; expect: log=3 log[0]=#GP(0x80)@upper_type log[1]=#GP(0x18)@legacy_code log[2]=#GP(0)@no_canon
%include "long64.inc"
        install_handlers64
        mov   rax, GATE(CODE64, 0x1000, 0x8c, 0)
        mov   [GDT + 0x80], rax
        mov   rax, 0x0000_0c00_0000_0000
        mov   [GDT + 0x88], rax
        mov   rax, GATE(CODE32, 0x1000, 0x8c, 0)
        mov   [GDT + 0x90], rax
        mov   rax, GATE(CODE64, 0x1000, 0x8c, 0)
        mov   [GDT + 0xa0], rax
        mov   qword [GDT + 0xa8], 0x8000
%macro refuse 2                 ; label, pointer
        try   after_%1
%1:     call  far dword [%2]
after_%1:
%endmacro
        refuse upper_type, first
        refuse legacy_code, second
        refuse no_canon, third
        hlt
first:  dd    0
        dw    0x80
second: dd    0
        dw    0x90
third:  dd    0
        dw    0xa0
