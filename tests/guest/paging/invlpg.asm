; After INVLPG the new entry counts: for the whole page, any address in it, large pages too.
; mode:   long64
; source: Intel SDM Vol. 2, "INVLPG"
; expect: eax=0x22 ebx=0x44 log=1 log[0]=#GP(0)@user,cs=0x3b
%include "long64.inc"
        install_handlers64
        mov   byte [0x32000], 0x22
        mov   byte [0x400000], 0x33
        mov   byte [0x600000], 0x44
        mov   cl, [0x30000]
        mov   qword [PTE(0x30000)], 0x32000 | P | W
        invlpg [0x30fff]
        movzx eax, byte [0x30000]
        mov   cl, [0x400000]
        mov   dword [PD + 16], 0x600000 | P | W | PS
        invlpg [0x5ff123]
        movzx ebx, byte [0x400000]
        to_ring3_64
        try   done
user:   invlpg [0x30000]
done:   to_ring0
        mov   ebx, 0x44
        hlt
