; An interrupt gate clears IF, a trap gate does not; both clear TF, NT and RF.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Flag Usage By Exception- or Interrupt-Handler Procedure"
; expect: mem[RESULT]=dword:0/0x14300 mem[RESULT+4]=dword:0x200/0x14300 rflags=IF|NT
; expect: mem[RESULT+8]=dword:0x4200/0x14300
%include "protected32.inc"
        install_handlers32
        set_gate32 0x21, CODE32, interrupt_gate, 0x8e
        set_gate32 0x22, CODE32, trap_gate, 0x8f
        push  dword FLAG_IF | FLAG_NT | 2
        popfd
        int   0x21
        int   0x22
        push  dword FLAG_IF | FLAG_NT | 2
        popfd
        hlt
interrupt_gate:
        pushfd
        pop   dword [RESULT]
        mov   eax, [esp + 8]
        mov   [RESULT + 8], eax
        iretd
trap_gate:
        pushfd
        pop   dword [RESULT + 4]
        iretd
