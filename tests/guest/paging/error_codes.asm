; The error code of #PF says whether the page was present, whether it was a store, and who asked.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Page-Fault Exceptions"
; expect: log=8 log[0]=#PF(0)@read_absent,cr2=0x30004 log[1]=#PF(2)@write_absent,cr2=0x30008
; expect: log[2]=#PF(3)@write_protected,cr2=0x31000 log[3]=#PF(4)@user_read_absent,cr2=0x30000,cs=0x2b
; expect: log[4]=#PF(6)@user_write_absent log[5]=#PF(5)@user_read_supervisor,cr2=0x32ffc log[6]=#PF(7)@user_write_read_only,cr2=0x31000
; expect: log[7]=#PF(4)@0x30000,cr2=0x30000
%include "protected32.inc"
        install_handlers32
        build_pages32
        mov   dword [PTE32(0x30000)], 0
        mov   dword [PTE32(0x31000)], 0x31000 | P | U
        mov   dword [PTE32(0x32000)], 0x32000 | P | W
        enable_paging CR0_WP
%macro refuse 2+                ; label, instruction
        try   after_%1
%1:     %2
after_%1:
%endmacro
        refuse read_absent, mov eax, [0x30004]
        refuse write_absent, mov [0x30008], eax
        refuse write_protected, mov byte [0x31000], 1
        to_ring3
        refuse user_read_absent, mov eax, [0x30000]
        refuse user_write_absent, mov [0x30000], eax
        refuse user_read_supervisor, mov eax, [0x32ffc]
        mov   eax, [0x31000]
        refuse user_write_read_only, inc dword [0x31000]
        try   done
        mov   eax, 0x30000
        jmp   eax
done:   to_ring0
        hlt
