; With paging on, a 32-bit task switch loads CR3 from the new TSS.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Task Address Space"
; expect: cr3=0x14000 eax=0x22222222 mem[RESULT]=dword:0x11111111 mem[TSS+0x1c]=dword:0 tr=0x80
%include "tasks.inc"
        install_handlers32
        build_pages32
        ; A second directory, which maps 0x30000 to 0x31000.
        mov   esi, PDPT
        mov   edi, MORE_TABLES + 0x1000
        mov   ecx, 1024
        rep   movsd
        mov   dword [MORE_TABLES], (MORE_TABLES + 0x1000) | P | W | U
        mov   dword [MORE_TABLES + 0x1000 + 0x30 * 4], 0x31000 | P | W | U
        mov   dword [0x30000], 0x11111111
        mov   dword [0x31000], 0x22222222
        new_task32 0x80, SCRATCH, task
        mov   dword [SCRATCH + TSS_CR3], MORE_TABLES
        enable_paging
        mov   eax, [0x30000]
        mov   [RESULT], eax
        jmp   0x80:0
task:   mov   eax, [0x30000]
        hlt
