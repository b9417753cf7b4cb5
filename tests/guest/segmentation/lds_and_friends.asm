; LES, LFS and LGS load offset and selector from memory, word first; a fault changes neither.
; mode:   protected32
; source: Intel SDM Vol. 2, "LDS/LES/LFS/LGS/LSS"
; expect: log=1 log[0]=#GP(0x20)@bad eax=0x12345678 es=0x20 ebx=0x55 fs=0x20 cx=0x5678 gs=0x33
%include "protected32.inc"
        install_handlers32
        les   eax, [pointer]
        mov   ebx, 0x55
        try   after
bad:    lfs   ebx, [weak]
after:  xor   ecx, ecx
        lgs   cx, [pointer16]
        hlt
pointer:
        dd    0x12345678
        dw    DATA32
weak:   dd    0xffffffff
        dw    DATA32 | 3
pointer16:
        dw    0x5678
        dw    UDATA32
