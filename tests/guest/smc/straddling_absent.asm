; An instruction whose second page is missing: #PF of a fetch, CR2 in the second page, EIP at its start.
; mode:   long64
; source: Intel SDM Vol. 3A, "Page-Fault Exceptions"
; expect: log=1 log[0]=#PF(0x10)@0x30ffd,cr2=0x31000 eax=0x5a
%include "long64.inc"
        install_handlers64
        mov   eax, 0x5a
        mov   byte [0x30ffd], 0xb8
        mov   qword [PTE(0x31000)], 0
        invlpg [0x31000]
        mov   ebp, 0x30ffd
        try   done
        jmp   rbp
done:   hlt
