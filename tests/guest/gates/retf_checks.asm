; A far return may go outwards, not inwards; it takes SS:ESP from the inner stack.
; mode:   protected32
; source: Intel SDM Vol. 2, "RET", Operation (RETURN-TO-OUTER-PRIVILEGE-LEVEL)
; expect: mem[RESULT]=word:0x2b mem[RESULT+4]=dword:0x5008 mem[RESULT+8]=word:0x33 log=1 log[0]=#GP(0x18)@inwards,cs=0x2b
%include "protected32.inc"
        install_handlers32
        push  dword UDATA32
        push  dword 0x5000
        push  dword 0xdead      ; Eight bytes of parameters: released here and there.
        push  dword 0xbeef
        push  dword UCODE32
        push  dword outer
        mov   eax, UDATA32
        mov   ds, ax
        retf  8
outer:  mov   [RESULT], cs
        mov   [RESULT + 4], esp
        mov   [RESULT + 8], ss
        try   done
        push  dword CODE32
        push  dword 0
inwards:
        retf
done:   to_ring0
        hlt
