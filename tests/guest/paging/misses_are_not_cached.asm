; An entry that was not present may be used as soon as it is, without a flush: misses are not cached.
; mode:   long64
; source: Intel SDM Vol. 3A, "Recommended Invalidation"
; expect: log=2 log[0]=#PF(0)@first log[1]=#PF(5)@second,cs=0x3b eax=0x77 ebx=0x77
%include "long64.inc"
        install_handlers64
        mov   byte [0x31000], 0x77
        mov   qword [PTE(0x30000)], 0
        invlpg [0x30000]
        try   after
first:  mov   al, [0x30000]
after:  mov   qword [PTE(0x30000)], 0x31000 | P
        movzx r8d, byte [0x30000]
        to_ring3_64
        try   after_user
second: mov   al, [0x30000]
after_user:
        or    qword [PTE(0x30000)], U
        movzx r9d, byte [0x30000]       ; The fault itself dropped what was cached.
        to_ring0
        mov   eax, r8d
        mov   ebx, r9d
        hlt
