; DR4 and DR5 are DR6 and DR7 unless CR4.DE makes them #UD; fixed bits read as they are.
; mode:   protected32
; source: Intel SDM Vol. 3B, "Debug Registers DR4 and DR5", "Debug Status Register (DR6)"
; expect: eax=0xffff0ff0 ebx=0x400 ecx=0xffff0ff0 edx=0x403 log=1 log[0]=#UD@dr5_
%include "protected32.inc"
        install_handlers32
        xor   eax, eax
        mov   dr6, eax
        mov   dr7, eax
        mov   ecx, dr4
        mov   ebx, dr7
        mov   eax, 3
        mov   dr5, eax
        mov   edx, dr7
        mov   eax, cr4
        or    eax, CR4_DE
        mov   cr4, eax
        try   done
dr5_:   mov   eax, dr5
done:   mov   eax, dr6
        hlt
