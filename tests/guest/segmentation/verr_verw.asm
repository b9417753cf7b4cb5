; VERR and VERW answer in ZF whether a selector could be read or written at this privilege.
; mode:   protected32
; source: Intel SDM Vol. 2, "VERR/VERW"
; expect: ebx=0 log=0
%include "protected32.inc"
        install_handlers32
        set_descriptor FREE_SELECTOR, 0, 0xfffff, 0xcf1        ; read-only, DPL 3
        set_descriptor FREE_SELECTOR + 8, 0, 0xfffff, 0xcf9    ; execute-only, DPL 3
        xor   ebx, ebx
%macro ask 3                    ; instruction, selector, answer
        mov   eax, %2
        %1    ax
        setz  al
        cmp   al, %3
        setne al
        movzx eax, al
        lea   ebx, [eax + ebx * 2]      ; A bit for each wrong answer.
%endmacro
        to_ring3
        ask   verr, UDATA32, 1
        ask   verw, UDATA32, 1
        ask   verr, DATA32, 0
        ask   verw, DATA32, 0
        ask   verr, FREE_SELECTOR | 3, 1
        ask   verw, FREE_SELECTOR | 3, 0
        ask   verr, (FREE_SELECTOR + 8) | 3, 0
        ask   verr, CONFORMING32, 1
        ask   verw, CONFORMING32, 0
        ask   verr, CODE32, 0
        ask   verr, 0, 0
        ask   verr, TSS_SELECTOR, 0
        ask   verr, 0x3f8, 0
        ask   verr, 0x7f8, 0
        mov   [RESULT], ebx
        to_ring0
        mov   ebx, [RESULT]
        hlt
