; PUSH, POP, ENTER, LEAVE and RET n with the stack pointer as an operand.
; mode:   long64
; org:    0x100000
; runs:   interpreter translator host
; source: Intel SDM Vol. 2, "PUSH", "POP", "ENTER", "LEAVE", "RET"
; expect: rsp=0x180000 rax=0x180000 rbx=0x17fff8 rcx=0x17ffe0 rdx=7 rbp=0
%include "host.inc"
        push  rsp
        pop   rax
        push  rax
        push  qword [rsp]       ; The address is taken before the push.
        pop   rbx
        lea   rbx, [rsp]
        pop   qword [rsp - 8]   ; And after the pop.
        enter 16, 0
        lea   rcx, [rsp - 8]
        leave
        push  7
        call  procedure
        hlt
procedure:
        mov   rdx, [rsp + 8]
        ret   8
