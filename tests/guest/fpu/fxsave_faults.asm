; FXSAVE and FXRSTOR want 16-byte alignment; FXRSTOR refuses reserved bits of MXCSR and loads nothing.
; mode:   long64
; source: Intel SDM Vol. 2, "FXSAVE", "FXRSTOR"
; expect: log=3 log[0]=#GP(0)@misaligned_save log[1]=#GP(0)@misaligned_restore log[2]=#GP(0)@bad_mxcsr
; expect: mxcsr=0x1f80 xmm3=0x1234 mem[0x200d0]=qword:0x1234 mem[0x20018]=dword:0x1f80 mem[0x2001c]=dword:0xffff/0xffbf
%include "long64.inc"
        install_handlers64
        mov   eax, 0x1234
        movq  xmm3, rax
        fxsave [SCRATCH]
        try   after
misaligned_save:
        fxsave [SCRATCH + 0x1008]
after:  try   after_restore
misaligned_restore:
        fxrstor [SCRATCH + 8]
after_restore:
        mov   dword [SCRATCH + 24], 0xffff1f80
        mov   qword [SCRATCH + 0xd0], 0x5678
        try   done
bad_mxcsr:
        fxrstor [SCRATCH]
done:   mov   qword [SCRATCH + 0xd0], 0x1234
        mov   dword [SCRATCH + 24], 0x1f80
        hlt
