; AC with CR0.AM: misaligned data of ring 3 is #AC(0); ring 0 and bytes are not checked.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Interrupt 17—Alignment Check Exception (#AC)"
; expect: log=4 log[0]=#AC(0)@dword_load,cs=0x2b log[1]=#AC(0)@word_store log[2]=#AC(0)@push_ log[3]=#AC(0)@qword_fpu
; expect: mem[0x20001]=word:0 eax=0x5a
%include "protected32.inc"
        install_handlers32
        mov   eax, cr0
        or    eax, CR0_AM
        mov   cr0, eax
        push  dword FLAG_AC | 2
        popfd
        mov   eax, [SCRATCH + 1]
        mov   byte [SCRATCH + 3], 0x5a
        to_ring3
%macro refuse 2+                ; label, instruction
        try   after_%1
%1:     %2
after_%1:
%endmacro
        refuse dword_load, mov eax, [SCRATCH + 2]
        refuse word_store, mov word [SCRATCH + 1], 0x1111
        dec   esp
        refuse push_, push eax
        inc   esp
        refuse qword_fpu, fld qword [SCRATCH + 4]
        movzx edx, byte [SCRATCH + 3]
        mov   cx, [SCRATCH + 2]
        push  dword 2
        popfd
        mov   [RESULT], edx
        to_ring0
        mov   eax, [RESULT]
        hlt
