; A store across two pages of which the second refuses changes neither; CR2 is in the second page.
; mode:   long64
; source: Intel SDM Vol. 3A, "Page-Fault Exceptions"; "Exception Classifications" (faults restart)
; expect: log=3 log[0]=#PF(2)@store,cr2=0x31000 log[1]=#PF(2)@update,cr2=0x31000 log[2]=#PF(3)@exchange,cr2=0x31000
; expect: mem[0x30ff8]=qword:0x1111111111111111 rax=0x2222222222222222 rcx=3
%include "long64.inc"
        install_handlers64
        mov   rax, 0x1111111111111111
        mov   [0x30ff8], rax
        mov   rax, 0x2222222222222222
        mov   qword [PTE(0x31000)], 0
        invlpg [0x31000]
        mov   ecx, 3
        try   after
store:  mov   [0x30ffc], rax
after:  try   after_update
update: add   [0x30ffd], rcx
after_update:
        mov   qword [PTE(0x31000)], 0x31000 | P
        try   done
exchange:
        xchg  [0x30ff9], rax
done:   hlt
