; INT n under TF enters its handler without a trap; IRET restores TF, and the trap comes after the
; instruction that follows it.
; mode:   protected32
; source: Intel SDM Vol. 3B, "Single-Step Exception Condition"
; expect: log=3 log[0]=0x31@after_int,flags=TF log[1]=#DB@second log[2]=#DB@behind ebx=0/0x100
%include "protected32.inc"
        install_handlers32
        set_gate32 0x31, CODE32, handler, 0x8e
        push  dword 2
        push  dword FLAG_TF | 2
        popfd
        int   0x31
after_int:
        nop
second: popfd
behind: hlt
handler:
        pushfd
        pop   ebx
        jmp   handler32_49
