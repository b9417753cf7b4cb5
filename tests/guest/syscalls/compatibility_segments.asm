; In 64-bit mode null selectors are fine for DS, ES and SS below ring 3; limits do not count.
; mode:   long64
; source: Intel SDM Vol. 3A, "Segment Loading Instructions in IA-32e Mode", "Segmentation in IA-32e Mode"
; expect: log=1 log[0]=#GP(0)@user_ss,cs=0x3b ds=0 eax=0x77 ss=0
%include "long64.inc"
        install_handlers64
        mov   byte [SCRATCH + 0x2000], 0x77
        mov   rax, DESCRIPTOR(0x1234, 0xf, 0x493)
        mov   [GDT + FREE_SELECTOR], rax
        mov   eax, FREE_SELECTOR
        mov   es, ax
        db    0x26                      ; ES: neither base nor limit count.
        movzx ecx, byte [SCRATCH + 0x2000]
        xor   eax, eax
        mov   ds, ax
        mov   ss, ax
        to_ring3_64
        try   done
        xor   eax, eax
user_ss:
        mov   ss, ax
done:   to_ring0
        mov   eax, ecx
        hlt
