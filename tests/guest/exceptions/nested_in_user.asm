; An exception in ring 3 whose handler faults in turn: two frames on the ring 0 stack.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Exception- or Interrupt-Handler Procedures"
; expect: log=1 log[0]=#GP(0x20)@inner,cs=0x18,frame=0x6fdc eax=0x77 mem[0x6fec]=dword:user
%include "protected32.inc"
        install_handlers32
        set_gate32 6, CODE32, handler, 0x8e
        to_ring3
user:   ud2
handler:
        push  dword UDATA32 & ~3
        pop   ds
        mov   eax, DATA32 | 3
        try   after
inner:  mov   fs, ax
after:  mov   eax, 0x77
        hlt
