; IRET with VM set enters virtual-8086 mode; an interrupt leaves it with all segments pushed and the
; data segments null.
; mode:   protected32
; source: Intel SDM Vol. 3B, "Entering Virtual-8086 Mode", "Leaving Virtual-8086 Mode"
; expect: mem[RESULT]=dword:0x6fdc mem[RESULT+4]=word:0 mem[RESULT+6]=word:0
; expect: mem[RESULT+8]=dword:0x105 mem[RESULT+12]=dword:0x4000 mem[RESULT+16]=dword:0x23202/0x23202 mem[RESULT+20]=dword:0xfffe
; expect: mem[RESULT+24]=dword:0x3000 mem[RESULT+28]=dword:0x1111 mem[RESULT+32]=dword:0x2222
; expect: mem[RESULT+36]=dword:0x3333 mem[RESULT+40]=dword:0x4444 mem[0x3fffe]=word:0xbeef
%include "v86.inc"
        install_handlers32
        set_gate32 0x31, CODE32, left, 0xee
        mov   edi, 0x40100
        mov   dword [edi], 0xcdbeef68   ; PUSH 0BEEFh; INT 31h
        mov   byte [edi + 4], 0x31
        push  dword 0x4444
        push  dword 0x3333
        push  dword 0x2222
        push  dword 0x1111
        push  dword 0x3000
        push  dword 0
        push  dword FLAG_VM | FLAG_IOPL | FLAG_IF | 2
        push  dword 0x4000
        push  dword 0x100
        iretd
left:   push  dword DATA32
        mov   eax, esp
        pop   ds
        mov   [RESULT + 4], es
        mov   [RESULT + 6], gs
        mov   [RESULT], esp
        push  ds
        pop   es
        mov   esi, esp
        mov   edi, RESULT + 8
        mov   ecx, 9
        rep   movsd
        hlt
