; An interrupt is taken between iterations: EIP is the REP instruction, RF is pushed set, and the
; registers say how far it is.
; mode:   protected32
; source: Intel SDM Vol. 2, "REP/REPE/REPZ/REPNE/REPNZ"; Vol. 3B, "Instruction-Breakpoint Exception Condition" (RF)
; expect: log=1 log[0]=0x31@store,flags=RF ecx=0 edi=0x500000 ebx=1 mem[0x4ffffc]=dword:0x5a5a5a5a
%include "protected32.inc"
        install_handlers32
        set_gate32 0x31, CODE32, handler, 0x8e
        mov   edi, 0x100000
        mov   ecx, 0x100000
        mov   eax, 0x31
        out   PORT_VECTOR, al
        mov   al, 5
        out   PORT_INTR_LATER, al
        mov   eax, 0x5a5a5a5a
        sti
store:  rep   stosd
        cli
        hlt
handler:
        cmp   ecx, 0x100000     ; Some is done, some is not, and they add up.
        je    .wrong
        test  ecx, ecx
        jz    .wrong
        lea   edx, [edi + ecx * 4]
        cmp   edx, 0x500000
        jne   .wrong
        mov   ebx, 1
.wrong: jmp   handler32_49      ; 31h
