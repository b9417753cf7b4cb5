; PUSH [mem], CALL [mem] and POP [mem] that fault on either side leave ESP and memory alone.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Exception Classifications" (faults restart)
; expect: log=6 log[0]=#PF(0)@push_source,sp=0x7c00 log[1]=#PF(2)@push_target,sp=0x31000,cr2=0x30ffc
; expect: log[2]=#PF(2)@call_push,sp=0x31000,cr2=0x30ffc log[3]=#PF(0)@call_source,sp=0x7c00
; expect: log[4]=#PF(2)@pop_target,sp=0x7bfc,cr2=0x30008 log[5]=#PF(0)@pop_source,sp=0x30004,cr2=0x30004
; expect: mem[RESULT]=dword:0x1234 mem[0x7bfc]=dword:0x55
%include "protected32.inc"
        install_handlers32
        build_pages32
        mov   dword [PTE32(0x30000)], 0
        ; The handlers' own pushes need a stack: a task gate gives #PF one.
        set_descriptor 0x80, SCRATCH, 0x67, 0x089
        mov   dword [SCRATCH + 0x1c], PML4
        mov   dword [SCRATCH + 0x20], recorder
        mov   dword [SCRATCH + 0x24], 2
        mov   dword [SCRATCH + 0x38], RING0_STACK
        mov   dword [SCRATCH + 0x48], DATA32
        mov   dword [SCRATCH + 0x4c], CODE32
        mov   dword [SCRATCH + 0x50], DATA32
        mov   dword [SCRATCH + 0x54], DATA32
        mov   dword [TSS + 0x1c], PML4
        store64 IDT + 14 * 8, GATE(0x80, 0, 0x85, 0)
        mov   dword [RESULT], 0x1234
        enable_paging
%macro refuse 3+                ; label, ESP, instruction
        mov   esp, %2
        try   after_%1
%1:     %3
after_%1:
%endmacro
        refuse push_source, PROGRAM_STACK, push dword [0x30000]
        refuse push_target, 0x31000, push dword [RESULT]
        refuse call_push, 0x31000, call [target]
        refuse call_source, PROGRAM_STACK, call [0x30000]
        mov   esp, PROGRAM_STACK
        push  dword 0x55
        refuse pop_target, PROGRAM_STACK - 4, pop dword [esp + 0x30004 - (PROGRAM_STACK - 4)]
        refuse pop_source, 0x30004, pop dword [RESULT]
        hlt
target: dd    done
done:   hlt
recorder:
        mov   edi, [LOG_COUNT]
        shl   edi, 6
        add   edi, LOG
        mov   dword [edi], 14
        pop   dword [edi + 4]
        mov   eax, cr2
        mov   [edi + 8], eax
        mov   eax, [TSS + 0x20]
        mov   [edi + 16], eax
        mov   eax, [TSS + 0x38]
        mov   [edi + 32], eax
        mov   eax, [RESUME]
        mov   [TSS + 0x20], eax
        inc   dword [LOG_COUNT]
        iretd
        jmp   recorder
