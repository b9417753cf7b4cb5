; In long mode handlers must be 64-bit code, and the IDT knows neither task gates nor 16-bit gates.
; mode:   long64
; source: Intel SDM Vol. 3A, "64-Bit Mode IDT"
; expect: log=3 log[0]=#GP(0x18)@legacy log[1]=#GP(0x192)@gate16 log[2]=#GP(0x19a)@task
%include "long64.inc"
        install_handlers64
        mov   word [IDT + 0x31 * 16 + 2], CODE32
        mov   byte [IDT + 0x32 * 16 + 5], 0xe6
        mov   byte [IDT + 0x33 * 16 + 5], 0xe5
%macro refuse 2                 ; label, vector
        try   after_%1
%1:     int   %2
after_%1:
%endmacro
        refuse legacy, 0x31
        refuse gate16, 0x32
        refuse task, 0x33
        hlt
