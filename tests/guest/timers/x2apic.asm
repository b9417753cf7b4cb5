; x2APIC: registers as MSRs; the memory window is gone; leaving by way of "off" only.
; mode:   protected32
; devices: board
; source: Intel SDM Vol. 3A, "Extended XAPIC (x2APIC)"
; expect: log=3 log[0]=#GP(0)@before log[1]=0x38 log[2]=#GP(0)@back_to_xapic eax=0xfee00d00
%include "protected32.inc"
        install_handlers32
        try   after
        mov   ecx, 0x802
before: rdmsr
after:  mov   ecx, 0x1b
        rdmsr
        or    eax, 1 << 10
        wrmsr
        set_msr 0x80f, 0x1ff
        sti
        set_gate32 0x38, CODE32, handler, 0x8e
        set_msr 0x83f, 0x38     ; SELF IPI
        nop
        nop
        cli
        mov   ecx, 0x1b
        rdmsr
        and   eax, ~(1 << 10)
        try   done
back_to_xapic:
        wrmsr
done:   rdmsr
        hlt
handler:
        push  eax
        push  ecx
        push  edx
        mov   dword [LOG + 64], 0x38
        mov   dword [LOG + 64 + 4], -1
        mov   dword [LOG_COUNT], 2
        set_msr 0x80b, 0
        pop   edx
        pop   ecx
        pop   eax
        iretd
