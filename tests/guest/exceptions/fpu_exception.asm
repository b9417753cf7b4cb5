; An unmasked x87 error waits for the next waiting instruction; with CR0.NE that is #MF.
; mode:   long64
; source: Intel SDM Vol. 3A, "Interrupt 16—x87 FPU Floating-Point Error (#MF)"; Vol. 1, "x87 FPU Exception Handling"
; expect: log=2 log[0]=#MF@next log[1]=#MF@wait_ mem[RESULT]=word:0x8084/0x8084 fsw=0/0x8080
%include "long64.inc"
        install_handlers64
        fninit
        fldcw [zero_divide_unmasked]
        fld1
        fldz
        fdivp                   ; The error arises here,
        nop
        fnstsw [RESULT]         ; a non-waiting instruction does not see it,
        try   after
next:   fld1                    ; and here it is reported.
after:  try   after_wait
wait_:  wait
after_wait:
        fnclex
        wait
        hlt
zero_divide_unmasked: dw 0x37b
