; POPAD, PUSHAD, ENTER and far CALL across a missing page do nothing at all.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Exception Classifications" (faults restart)
; expect: log=4 log[0]=#PF(0)@popad_,cr2=0x31000,sp=0x30ff0 log[1]=#PF(2)@pushad_,sp=0x32010 log[2]=#PF(2)@enter_,sp=0x32008
; expect: log[3]=#PF(2)@call_far,sp=0x32004,cr2=0x31ffc eax=0x11 edi=0x88 ebp=0x66 mem[0x32000]=dword:0xcccccccc cs=0x18
%include "protected32.inc"
        install_handlers32
        build_pages32
        mov   dword [PTE32(0x31000)], 0
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
        mov   dword [0x32000], 0xcccccccc
        mov   dword [0x32004], 0xcccccccc
        enable_paging
        mov   eax, 0x11
        mov   edi, 0x88
        mov   ebp, 0x66
%macro refuse 3+                ; label, ESP, instruction
        mov   esp, %2
        try   after_%1
%1:     %3
after_%1:
%endmacro
        refuse popad_, 0x30ff0, popad
        refuse pushad_, 0x32010, pushad
        mov   dword [0x32000], 0xcccccccc
        mov   dword [0x32004], 0xcccccccc
        refuse enter_, 0x32008, enter 0x1000, 3
        mov   dword [0x32000], 0xcccccccc
        refuse call_far, 0x32004, call CODE32:done
        hlt
done:   mov   eax, -1
        hlt
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
