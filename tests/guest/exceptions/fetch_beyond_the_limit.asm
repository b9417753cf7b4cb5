; Code that runs off its segment is #GP(0) at the instruction that does not fit.
; mode:   protected32
; source: Intel SDM Vol. 3A, "Limit Checking"
; expect: log=2 log[0]=#GP(0)@0x1000,cs=0x80 log[1]=#GP(0)@0xffe,cs=0x80 eax=2
%include "protected32.inc"
        install_handlers32
        set_descriptor FREE_SELECTOR, SCRATCH, 0xfff, 0x49b
        mov   dword [SCRATCH + 0xffc], 0x9040c031       ; XOR EAX, EAX; INC EAX; NOP
        set_gate32 13, CODE32, back, 0x8e
        jmp   FREE_SELECTOR:0xffc
back:   ; The handler must return to another segment: it drops its frame.
        mov   ebx, [LOG_COUNT]
        shl   ebx, 6
        mov   dword [LOG + ebx], 13
        pop   dword [LOG + ebx + 4]
        pop   dword [LOG + ebx + 16]
        pop   dword [LOG + ebx + 24]
        add   esp, 4
        inc   dword [LOG_COUNT]
        cmp   dword [LOG_COUNT], 2
        je    done
        mov   byte [SCRATCH + 0xffe], 0xb8              ; MOV EAX, imm32: does not fit.
        mov   eax, 2
        jmp   FREE_SELECTOR:0xffe
done:   hlt
