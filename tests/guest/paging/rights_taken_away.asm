; After rights are taken from a page and INVLPG, stores and fetches fault at once.
; mode:   long64
; source: Intel SDM Vol. 3A, "Operations that Invalidate TLBs and Paging-Structure Caches"
; expect: log=3 log[0]=#PF(3)@store log[1]=#PF(0x11)@0x31000 log[2]=#PF(0)@load mem[0x30000]=byte:1
%include "long64.inc"
        install_handlers64
        mov   byte [0x30000], 1
        mov   byte [0x31000], 0xc3
        mov   ebp, 0x31000
        call  rbp
        mov   qword [PTE(0x30000)], 0x30000 | P
        invlpg [0x30000]
        try   after
store:  mov   byte [0x30000], 2
after:  bts   qword [PTE(0x31000)], 63
        invlpg [0x31000]
        try   after_fetch
        jmp   rbp
after_fetch:
        mov   qword [PTE(0x30000)], 0
        invlpg [0x30000]
        try   done
load:   mov   al, [0x30000]
done:   hlt
