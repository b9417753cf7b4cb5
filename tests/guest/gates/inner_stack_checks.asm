; The stack that the TSS names for an inner ring: #TS with its selector, or #SS if it is not present.
; mode:   protected32
; source: Intel SDM Vol. 2, "INT n/INTO/INT3/INT1", Operation (INTER-PRIVILEGE-LEVEL-INTERRUPT)
; expect: log=4 log[0]=#TS(0)@null_stack log[1]=#TS(0x30)@outer_stack log[2]=#SS(0x80)@absent_stack
; expect: log[3]=#TS(0x88)@read_only
%include "protected32.inc"
        install_handlers32
        set_descriptor 0x80, 0, 0xfffff, 0xc13
        set_descriptor 0x88, 0, 0xfffff, 0xc91
        ; The faults of a bad ring 0 stack can be taken only by handlers on another stack: they are
        ; conforming code, which stays on the user's.
        set_gate32 10, CONFORMING32, recorder_ts, 0x8e
        set_gate32 12, CONFORMING32, recorder_ss, 0x8e
        to_ring3
%macro refuse 2                 ; label, SS0
        mov   word [TSS + 8], %2
%1:     int   0x31
%endmacro
        refuse null_stack, 0
        refuse outer_stack, UDATA32
        refuse absent_stack, 0x80
        refuse read_only, 0x88
        mov   word [TSS + 8], DATA32
        to_ring0
        hlt
recorder_ss:
        push  byte 12
        jmp   record
recorder_ts:
        push  byte 10
record: mov   eax, [LOG_COUNT]
        shl   eax, 6
        pop   dword [LOG + eax]
        pop   dword [LOG + eax + 4]
        mov   ebx, [esp]
        mov   [LOG + eax + 16], ebx
        mov   ebx, [esp + 4]
        mov   [LOG + eax + 24], ebx
        inc   dword [LOG_COUNT]
        add   dword [esp], 2    ; Behind the INT.
        iretd
