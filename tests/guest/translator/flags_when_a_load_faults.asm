; Arithmetic flags that nobody reads are still there when the next instruction faults: the handler finds
; them on its stack.
; mode:   long64
; source: Intel SDM Vol. 3A, "Exception- or Interrupt-Handler Procedures" (EFLAGS is pushed); Vol. 1, "Status Flags"
; expect: log=27
; expect: log[0]=#PF(0)@doubled,flags=CF|ZF|OF|PF,clear=SF|AF log[1]=#PF(2)@nibble,flags=AF,clear=CF|PF|ZF|SF|OF
; expect: log[2]=#PF(0)@sign,flags=SF|OF|AF,clear=CF|ZF|PF log[3]=#PF(0)@borrow,flags=CF|AF|SF|PF,clear=OF|ZF
; expect: log[4]=#PF(0)@kept,flags=CF|ZF|AF|PF,clear=OF|SF log[5]=#PF(0)@shifted,flags=CF|OF,clear=SF|ZF|PF
; expect: log[6]=#PF(0)@logic,flags=ZF|PF,clear=CF|OF|SF log[7]=#PF(0)@carried,flags=CF,clear=ZF
; expect: log[8]=#PF(2)@compared,flags=CF|SF|AF|PF,clear=ZF|OF
; expect: log[18]=#PF(0)@doubled,flags=CF|ZF|OF|PF,clear=SF|AF log[19]=#PF(2)@nibble,flags=AF,clear=CF|PF|ZF|SF|OF
; expect: log[20]=#PF(0)@sign,flags=SF|OF|AF,clear=CF|ZF|PF log[21]=#PF(0)@borrow,flags=CF|AF|SF|PF,clear=OF|ZF
; expect: log[22]=#PF(0)@kept,flags=CF|ZF|AF|PF,clear=OF|SF log[23]=#PF(0)@shifted,flags=CF|OF,clear=SF|ZF|PF
; expect: log[24]=#PF(0)@logic,flags=ZF|PF,clear=CF|OF|SF log[25]=#PF(0)@carried,flags=CF,clear=ZF
; expect: log[26]=#PF(2)@compared,flags=CF|SF|AF|PF,clear=ZF|OF
%include "long64.inc"
        install_handlers64
        mov   qword [PTE(0x30000)], 0
        invlpg [0x30000]
        mov   edi, 0x30000
        mov   r8d, 3
%macro fault 2+                 ; label, instruction
%1:     %2
after_%1:
        test  edi, edi          ; The flags above are dead where nothing faults.
%endmacro
turn:   try   after_doubled
        mov   al, 0x80
        add   al, al
        fault doubled, mov edx, [rdi]
        try   after_nibble
        mov   al, 0x0f
        add   al, 1
        fault nibble, mov [rdi + 4], edx
        try   after_sign
        mov   al, 0x7f
        add   al, 1
        fault sign, push qword [rdi + 8]
        try   after_borrow
        mov   al, 0
        sub   al, 1
        fault borrow, movups xmm0, [rdi + 16]
        try   after_kept
        mov   al, 0xff
        stc
        inc   al
        fault kept, fld qword [rdi]
        try   after_shifted
        mov   al, 0x81
        shl   al, 1
        fault shifted, imul edx, [rdi]
        try   after_logic
        xor   eax, eax
        fault logic, cmp dword [rdi], 0
        try   after_carried
        mov   eax, -2
        bt    eax, 5
        mov   ebx, 1
        inc   ebx
        fault carried, adc edx, [rdi]
        try   after_compared
        mov   eax, 1
        cmp   eax, 2
        fault compared, add [rdi], edx
        dec   r8d
        jnz   turn
        hlt
