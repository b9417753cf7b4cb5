; XSETBV and XRSTOR refuse what the manual says they refuse.
; mode:   long64
; source: Intel SDM Vol. 2, "XSETBV", "XRSTOR", "XSAVE", 64-Bit Mode Exceptions
; expect: log=8 log[0]=#UD@off log[1]=#GP(0)@no_x87 log[2]=#GP(0)@avx_alone log[3]=#GP(0)@unknown_bit log[4]=#GP(0)@register_1
; expect: log[5]=#GP(0)@misaligned log[6]=#GP(0)@bad_header log[7]=#GP(0)@user,cs=0x3b xcr0=3
%include "long64.inc"
        install_handlers64
%macro refuse 2+                ; label, instruction
        try   after_%1
%1:     %2
after_%1:
%endmacro
        refuse off, xsave [SCRATCH]
        mov   rax, cr4
        or    rax, CR4_OSXSAVE
        mov   cr4, rax
        xor   ecx, ecx
        xor   edx, edx
        mov   eax, 2
        refuse no_x87, xsetbv
        mov   eax, 5
        refuse avx_alone, xsetbv
        mov   eax, 3
        mov   edx, 1 << 30
        refuse unknown_bit, xsetbv
        xor   edx, edx
        mov   ecx, 1
        refuse register_1, xsetbv
        xor   ecx, ecx
        xsetbv
        refuse misaligned, xsave [SCRATCH + 16]
        mov   eax, 3
        xsave [SCRATCH]
        mov   qword [SCRATCH + 512], 4  ; AVX, which XCR0 does not have.
        refuse bad_header, xrstor [SCRATCH]
        to_ring3_64
        xor   ecx, ecx
        refuse user, xsetbv
        to_ring0
        hlt
