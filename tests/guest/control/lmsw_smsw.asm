; LMSW sets PE, MP, EM and TS, and cannot clear PE; SMSW stores 16 bits in memory.
; mode:   protected32
; source: Intel SDM Vol. 2, "LMSW", "SMSW"
; expect: cr0=0x3f/0x3f mem[RESULT]=dword:0xffff003f ebx=0x31/0x3f
%include "protected32.inc"
        install_handlers32
        mov   ax, 0xf
        lmsw  ax
        mov   dword [RESULT], -1
        smsw  [RESULT]
        xor   eax, eax
        lmsw  ax
        mov   ebx, cr0
        mov   ax, 0xf
        lmsw  ax
        hlt
