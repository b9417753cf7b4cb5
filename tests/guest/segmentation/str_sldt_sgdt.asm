; What the store instructions show: selectors zero-extended into registers, bases and limits as loaded.
; mode:   protected32
; source: Intel SDM Vol. 2, "STR", "SLDT", "SGDT", "SIDT", "SMSW"
; expect: eax=0x58 ebx=0x70 mem[RESULT]=word:0x3ff mem[RESULT+2]=dword:0x2000
; expect: mem[RESULT+8]=word:0x1ff mem[RESULT+10]=dword:0x3000 mem[RESULT+16]=dword:0xffff0058 ecx=0x31/0xffff
%include "protected32.inc"
        install_handlers32
        mov   eax, LDT_SELECTOR
        lldt  ax
        mov   eax, -1
        str   eax
        mov   ebx, -1
        sldt  ebx
        sgdt  [RESULT]
        sidt  [RESULT + 8]
        mov   dword [RESULT + 16], -1
        str   [RESULT + 16]     ; A word, whatever the operand size.
        smsw  ecx
        hlt
