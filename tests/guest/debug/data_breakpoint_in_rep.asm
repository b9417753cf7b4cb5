; A data breakpoint in a repeated instruction is reported after the iteration that touches it.
; mode:   protected32
; source: Intel SDM Vol. 3B, "Data Memory and I/O Breakpoint Exception Conditions"
; expect: log=1 log[0]=#DB@store,dr6=1/0xf,flags=RF mem[RESULT]=dword:0x20028 ecx=0 edi=0x20040
%include "protected32.inc"
        install_handlers32
        set_gate32 1, CODE32, handler, 0x8e
        mov   eax, SCRATCH + 0x24
        mov   dr0, eax
        mov   eax, 0x400 | 2 | 0xd << 16
        mov   dr7, eax
        mov   edi, SCRATCH
        mov   ecx, 16
store:  rep   stosd
        hlt
handler:
        mov   [RESULT], edi
        jmp   handler32_1
