; Read-only data and code cannot be written, execute-only code cannot be read.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Type Checking"
; expect: log=4 log[0]=#GP(0)@write_data log[1]=#GP(0)@write_code log[2]=#GP(0x88)@load_execute_only
; expect: log[3]=#GP(0)@read_execute_only mem[0x20000]=dword:0
%include "protected32.inc"
        install_handlers32
        set_descriptor FREE_SELECTOR, SCRATCH, 0xffff, 0x491
        set_descriptor FREE_SELECTOR + 8, 0, 0xfffff, 0xc99
        mov   eax, FREE_SELECTOR
        mov   es, ax
        mov   ebx, [es:0]
        try   after_write_data
write_data:
        mov   dword [es:0], 1
after_write_data:
        try   after_write_code
write_code:
        mov   dword [cs:SCRATCH], 1
after_write_code:
        mov   eax, FREE_SELECTOR + 8
        try   after_load
load_execute_only:
        mov   es, ax
after_load:
        jmp   FREE_SELECTOR + 8:execute_only
execute_only:
        try   done
read_execute_only:
        mov   eax, [cs:SCRATCH]
done:   hlt
