; REP MOVSB that meets a missing page stops there: ECX, ESI and EDI say how far it came, and it goes
; on after the fault.
; mode:   protected32
; source: Intel SDM Vol. 2, "REP/REPE/REPZ/REPNE/REPNZ"
; expect: log=1 log[0]=#PF(2)@copy,cr2=0x31000 ecx=0 esi=0x24000 edi=0x31800 mem[0x307ff]=byte:0x00
; expect: mem[0x30800]=byte:0xa5 mem[0x30fff]=byte:0xa5 mem[0x317ff]=byte:0xa5 mem[0x31800]=byte:0 mem[RESULT]=dword:0x800
; expect: mem[RESULT+4]=dword:0x23800 mem[RESULT+8]=dword:0x31000
%include "protected32.inc"
        install_handlers32
        build_pages32
        mov   dword [PTE32(0x31000)], 0
        set_gate32 14, CODE32, pager, 0x8e
        mov   edi, 0x23000
        mov   ecx, 0x1000
        mov   al, 0xa5
        rep   stosb
        enable_paging
        mov   esi, 0x23000
        mov   edi, 0x30800
        mov   ecx, 0x1000
copy:   rep   movsb
        hlt
pager:  mov   [RESULT], ecx
        mov   [RESULT + 4], esi
        mov   [RESULT + 8], edi
        mov   dword [PTE32(0x31000)], 0x31000 | P | W
        try   copy
        jmp   handler32_14
