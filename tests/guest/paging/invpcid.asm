; INVPCID: type 1 drops one context; wrong types, PCIDs and reserved bits are #GP(0).
; mode:   long64
; source: Intel SDM Vol. 2, "INVPCID"
; expect: log=4 log[0]=#GP(0)@bad_type log[1]=#GP(0)@reserved log[2]=#GP(0)@no_pcid log[3]=#GP(0)@not_canonical eax=0x22 ebx=0x33 ecx=0x44
%include "long64.inc"
        install_handlers64
        mov   byte [0x32000], 0x22
        mov   byte [0x33000], 0x33
        mov   byte [0x34000], 0x44
        mov   dl, [0x30000]
        mov   qword [PTE(0x30000)], 0x32000 | P | W
        mov   esi, 2
        invpcid rsi, [nothing]          ; All contexts, global ones too.
        movzx eax, byte [0x30000]
        mov   qword [PTE(0x30000)], 0x33000 | P | W
        mov   esi, 0
        invpcid rsi, [one_page]
        movzx ebx, byte [0x30000]
        mov   qword [PTE(0x30000)], 0x34000 | P | W
        mov   esi, 1
        invpcid rsi, [nothing]
        movzx ecx, byte [0x30000]
%macro refuse 3                 ; label, type, descriptor
        try   after_%1
        mov   esi, %2
%1:     invpcid rsi, [%3]
after_%1:
%endmacro
        refuse bad_type, 4, nothing
        refuse reserved, 1, reserved_descriptor
        refuse no_pcid, 1, pcid_1       ; CR4.PCIDE is off.
        refuse not_canonical, 0, far_page
        hlt
nothing:        dq 0, 0
one_page:       dq 0, 0x30000
reserved_descriptor: dq 0x1000, 0
pcid_1:         dq 1, 0
far_page:       dq 0, 0x8000_0000_0000_0000
