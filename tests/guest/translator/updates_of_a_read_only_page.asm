; Instructions that read and write a page that may only be read: the fault is a write's, registers,
; flags and memory stay.
; mode:   long64
; source: Intel SDM Vol. 3A, "Page-Fault Exceptions"; Vol. 2, "CMPXCHG" (the destination is written back in any case)
; expect: log=30 rax=4 rdx=0x99 rcx=0x1234 mem[0x30000]=qword:5 mem[0x30008]=qword:6 r8=0
; expect: log[0]=#PF(3)@exchange,cr2=0x30000,flags=CF log[1]=#PF(3)@compare,flags=CF,clear=ZF log[2]=#PF(3)@sum,flags=CF
; expect: log[3]=#PF(3)@increment,flags=CF log[4]=#PF(3)@exchange_sum,flags=CF log[5]=#PF(3)@set_bit,flags=CF
; expect: log[6]=#PF(3)@shift,flags=CF log[7]=#PF(3)@complement,flags=CF log[8]=#PF(3)@wide,flags=CF,clear=ZF
; expect: log[9]=#PF(3)@borrow,flags=CF log[20]=#PF(3)@exchange,flags=CF log[21]=#PF(3)@compare,flags=CF log[29]=#PF(3)@borrow,flags=CF
%include "long64.inc"
        install_handlers64
        mov   qword [0x30000], 5
        mov   qword [0x30008], 6
        and   qword [PTE(0x30000)], ~W
        invlpg [0x30000]
        mov   edi, 0x30000
        mov   eax, 4
        mov   edx, 0x99
        mov   ecx, 0x1234
        mov   r8d, 3
%macro refuse 2+                ; label, instruction
        try   after_%1
        test  edi, edi          ; Clears ZF.
        stc
%1:     %2
after_%1:
%endmacro
turn:
        refuse exchange, xchg [rdi], rax
        refuse compare, cmpxchg [rdi], rdx
        refuse sum, add [rdi], rax
        refuse increment, inc dword [rdi]
        refuse exchange_sum, lock xadd [rdi], rcx
        refuse set_bit, bts qword [rdi], 3
        refuse shift, shl byte [rdi], 2
        refuse complement, not word [rdi]
        refuse wide, cmpxchg16b [rdi]
        refuse borrow, sbb [rdi], ecx
        dec   r8d
        jnz   turn
        hlt
