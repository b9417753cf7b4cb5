; REP MOVS over itself, REPE CMPS, REPNE SCAS and LODS with both directions.
; mode:   long64
; org:    0x100000
; runs:   interpreter translator host
; source: Intel SDM Vol. 2, "REP/REPE/REPZ/REPNE/REPNZ"
; expect: rax=0x62 rcx=1 mem[0x140000]=qword:0x6161616161616161 mem[0x140008]=qword:0x62 rbx=3 rdx=5
%include "host.inc"
        mov   edi, HOST_DATA
        mov   byte [rdi], 0x61
        lea   esi, [rdi]
        inc   edi
        mov   ecx, 7
        rep   movsb             ; The byte spreads.
        mov   byte [rdi], 0x62
        mov   edi, HOST_DATA
        mov   al, 0x62
        mov   ecx, 10
        repne scasb
        lea   ebx, [rcx + 2]
        mov   edi, HOST_DATA + 4
        mov   esi, HOST_DATA
        mov   ecx, 100
        repe  cmpsb
        mov   edx, ecx
        sub   edx, 90
        std
        mov   esi, HOST_DATA + 8
        mov   ecx, 1
        lodsb
        movzx eax, al
        cld
        hlt
