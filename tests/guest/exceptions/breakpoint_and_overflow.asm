; INT3 and INTO are traps: the saved EIP is behind them. INTO without OF does nothing.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Interrupt 3—Breakpoint Exception (#BP)", "Interrupt 4—Overflow Exception (#OF)"
; expect: log=3 log[0]=#BP@after_int3 log[1]=#OF@after_into,flags=OF log[2]=#BP@after_cd03
%include "protected32.inc"
        install_handlers32
        int3
after_int3:
        xor   eax, eax
        into
        mov   al, 0x7f
        inc   al
        into
after_into:
        db    0xcd, 3
after_cd03:
        hlt
