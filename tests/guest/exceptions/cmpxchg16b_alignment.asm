; CMPXCHG16B wants sixteen bytes of alignment: #GP(0).
; mode:   long64
; source: Intel SDM Vol. 2, "CMPXCHG8B/CMPXCHG16B", 64-Bit Mode Exceptions
; expect: log=1 log[0]=#GP(0)@misaligned rflags!=ZF
%include "long64.inc"
        install_handlers64
        test  esp, esp
        try   done
misaligned:
        cmpxchg16b [SCRATCH + 8]
done:   hlt
