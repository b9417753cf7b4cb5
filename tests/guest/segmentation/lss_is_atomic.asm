; LSS that faults leaves SS and ESP alone; LSS that succeeds loads both.
; mode:   protected32
; source: Intel SDM Vol. 2, "LDS/LES/LFS/LGS/LSS"
; expect: log=1 log[0]=#GP(0x30)@bad,sp=0x7c00 ss=0x80 esp=0x7000 ss.base=0
%include "protected32.inc"
        install_handlers32
        set_descriptor FREE_SELECTOR, 0, 0xfffff, 0xc93
        mov   dword [RESULT], 0x5000
        mov   word [RESULT + 4], UDATA32
        try   after
bad:    lss   esp, [RESULT]
after:  mov   dword [RESULT], 0x7000
        mov   word [RESULT + 4], FREE_SELECTOR
        lss   esp, [RESULT]
        hlt
