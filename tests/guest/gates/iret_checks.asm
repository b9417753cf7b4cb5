; IRET does not go inwards, to data, to a stack of another privilege, or beyond a limit. Nothing is
; popped then.
; mode:   protected32
; source: Intel SDM Vol. 2, "IRET/IRETD/IRETQ", Protected Mode Exceptions
; expect: log=5 log[0]=#GP(0)@null,sp=0x7bf4 log[1]=#GP(0x20)@data,sp=0x7bf4 log[2]=#GP(0x28)@bad_stack,sp=0x7bec
; expect: log[3]=#GP(0x18)@inwards,cs=0x2b,sp=0x5ff4 log[4]=#NP(0x80)@absent
%include "protected32.inc"
        install_handlers32
        set_descriptor 0x80, 0, 0xfffff, 0xc1b
%macro refuse 2                 ; label, CS
        mov   esp, PROGRAM_STACK
        try   after_%1
        push  dword 2
        push  dword %2
        push  dword 0
%1:     iretd
after_%1:
%endmacro
        refuse null, 0
        refuse data, DATA32
        mov   esp, PROGRAM_STACK
        try   after_stack
        push  dword 0x2a        ; RPL 2 where CS has 3.
        push  dword USER_STACK
        push  dword 2
        push  dword UCODE32
        push  dword 0
bad_stack:
        iretd
after_stack:
        mov   esp, PROGRAM_STACK
        to_ring3
        mov   esp, USER_STACK
        try   after_inwards
        push  dword 2
        push  dword CODE32
        push  dword 0
inwards:
        iretd
after_inwards:
        to_ring0
        refuse absent, 0x80
        hlt
