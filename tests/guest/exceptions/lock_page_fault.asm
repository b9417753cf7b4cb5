; A locked update of a read-only page faults as a store, and its load does not show.
; mode:   long64
; source: Intel SDM Vol. 3A, "Page-Fault Exceptions", W/R flag
; expect: log=3 log[0]=#PF(3)@add_ log[1]=#PF(3)@failing_cmpxchg log[2]=#PF(3)@exchange eax=0x55 ebx=0x66 mem[0x30000]=dword:0x11
%include "long64.inc"
        install_handlers64
        mov   dword [0x30000], 0x11
        mov   qword [PTE(0x30000)], 0x30000 | P
        invlpg [0x30000]
        mov   eax, 0x55
        mov   ebx, 0x66
        try   after
add_:   lock  add [0x30000], ebx
after:  try   after_cmpxchg
failing_cmpxchg:
        lock  cmpxchg [0x30000], ebx    ; It writes back what it found.
after_cmpxchg:
        try   done
exchange:
        xchg  [0x30000], ebx
done:   hlt
