; With CR4.VME and IOPL below 3, CLI and STI work on VIF, PUSHF shows it as IF; STI with VIP pending
; is #GP(0).
; mode:   protected32
; source: Intel SDM Vol. 3B, "Enabling VME"; Vol. 2, "STI", "CLI", "PUSHF/PUSHFD/PUSHFQ"
; expect: mem[RESULT]=word:0x3202/0x3202 mem[RESULT+2]=word:0x3002/0x3202 log=2
; expect: log[0]=0x31,flags=VM|VIF,clear=IF log[1]=#GP(0)@with_pending,flags=VIP|VM,clear=VIF
%include "v86.inc"
        install_handlers32
        set_descriptor TSS_SELECTOR, TSS, 0x68 + 32, 0x089
        mov   eax, TSS_SELECTOR
        ltr   ax
        mov   word [TSS + 0x66], 0x68 + 32
        mov   byte [TSS + 0x68 + 6], 3          ; INT 30h and 31h go to the monitor,
        mov   eax, cr4
        or    eax, CR4_VME
        mov   cr4, eax
        set_gate32 6, CODE32, monitor, 0x8e     ; which programs call by UD2: INT would be #GP.
        to_v86 0
        sti
        pushf
        pop   word [RESULT]
        ud2
        nop
        cli
        pushf
        pop   word [RESULT + 2]
        ud2
        db    0x90
        sti
        hlt
bits 32
monitor:
        ; First call: log the flags. Second: make an interrupt pending.
        inc   byte [ss:calls]
        cmp   byte [ss:calls], 2
        je    .pending
        push  eax
        mov   eax, [esp + 4 + 8]
        mov   [ss:LOG + 28], eax
        mov   dword [ss:LOG], 0x31
        mov   dword [ss:LOG + 4], -1
        mov   dword [ss:LOG_COUNT], 1
        pop   eax
        add   dword [esp], 3
        iretd
.pending:
        or    dword [esp + 8], FLAG_VIP
        mov   dword [esp], with_pending
        iretd
bits 16
with_pending:
        sti
        hlt
bits 32
calls:  db    0
