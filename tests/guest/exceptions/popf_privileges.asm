; POPF in ring 3 leaves IF and IOPL without a fault; in ring 0 it sets them. RF and VM are not its.
; mode:   protected32
; source: Intel SDM Vol. 2, "POPF/POPFD/POPFQ", table "Effect of POPF/POPFD on the EFLAGS Register"
; expect: mem[RESULT]=dword:0x244cd7/0x3f7fff mem[RESULT+4]=dword:0x3202/0x3f7fff log=0
%include "protected32.inc"
        install_handlers32
        push  dword FLAG_IOPL | FLAG_IF | FLAG_RF | FLAG_VM | FLAG_VIF | FLAG_VIP | 2
        popfd
        pushfd
        pop   dword [RESULT + 4]
        push  dword 2
        popfd
        to_ring3
        push  dword 0x244cd7 | FLAG_IF | FLAG_IOPL | FLAG_VIF | FLAG_VIP
        popfd
        pushfd
        pop   dword [RESULT]
        to_ring0
        hlt
