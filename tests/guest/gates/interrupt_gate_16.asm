; A 16-bit gate pushes words of FLAGS, CS and IP, and ignores the upper half of its offset.
; mode:   protected32
; source: Intel SDM Vol. 3A, "IDT Descriptors"; Vol. 2, "INT n/INTO/INT3/INT1", Operation
; expect: mem[RESULT]=dword:0x7bfa mem[0x7bfa]=word:back mem[0x7bfc]=word:0x18 mem[0x7bfe]=word:0x202/0x202
; expect: rflags=IF esp=0x7c00
%include "protected32.inc"
        install_handlers32
        set_gate32 0x31, CODE32, handler, 0x86
        mov   word [IDT + 0x31 * 8 + 6], 0xdead
        push  dword FLAG_IF | 2
        popfd
        int   0x31
back:   hlt
handler:
        mov   [RESULT], esp
        o16 iret
