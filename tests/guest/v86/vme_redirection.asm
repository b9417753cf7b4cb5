; With CR4.VME, a clear bit in the TSS's redirection bitmap sends INT n to the program's own vector
; table; a set bit sends it to the monitor.
; mode:   protected32
; source: Intel SDM Vol. 3B, "Interrupt and Exception Handling in Virtual-8086 Mode", class 3 interrupts
; expect: mem[RESULT]=word:0x7777 mem[RESULT+2]=word:back mem[RESULT+4]=word:0x3202/0xb202 log=2 log[0]=#GP(0)@monitor log[1]=#GP(0)@done
%include "v86.inc"
        install_handlers32
        ; The bitmap of 32 bytes lies below the I/O bitmap.
        set_descriptor TSS_SELECTOR, TSS, 0x68 + 32, 0x089
        mov   eax, TSS_SELECTOR
        ltr   ax
        mov   word [TSS + 0x66], 0x68 + 32
        mov   byte [TSS + 0x68 + 0x32 / 8], 4   ; INT 32h: set.
        mov   eax, cr4
        or    eax, CR4_VME
        mov   cr4, eax
        mov   word [0x31 * 4], own_handler
        mov   word [0x31 * 4 + 2], 0
        to_v86 0, FLAG_VIF
        int   0x31
back:   try   done
monitor:
        int   0x32
done:   hlt                     ; #GP: the end.
own_handler:
        mov   word [RESULT], 0x7777
        push  bp
        mov   bp, sp
        mov   ax, [bp + 2]
        mov   [RESULT + 2], ax
        mov   ax, [bp + 6]              ; VIF shows as IF, IOPL as 3.
        mov   [RESULT + 4], ax
        pop   bp
        iret
