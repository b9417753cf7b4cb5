; A return to ring 3 nulls data segments that ring 3 may not use, and keeps the others.
; mode:   protected32
; source: Intel SDM Vol. 2, "IRET/IRETD/IRETQ", Operation (RETURN-TO-OUTER-PRIVILEGE-LEVEL)
; expect: mem[RESULT]=word:0 mem[RESULT+2]=word:0x30 mem[RESULT+4]=word:0x6b mem[RESULT+6]=word:0
%include "protected32.inc"
        install_handlers32
        mov   eax, DATA32
        mov   es, ax
        mov   gs, ax
        mov   eax, UDATA32 & ~3         ; RPL 0: its DPL is what counts.
        mov   fs, ax
        push  dword UDATA32
        push  dword USER_STACK
        pushfd
        push  dword UCODE32
        push  dword user
        mov   ax, CONFORMING32 | 3
        mov   ds, ax
        iretd
user:   mov   eax, UDATA32
        mov   bx, ds
        mov   ds, ax
        mov   [RESULT], es
        mov   [RESULT + 2], fs
        mov   [RESULT + 4], bx
        mov   [RESULT + 6], gs
        to_ring0
        hlt
