; Data breakpoints are traps after the access, of 1, 2, 4 bytes, for stores or for both; a touch of
; any byte counts, reading a store-only one does not.
; mode:   protected32
; source: Intel SDM Vol. 3B, "Data Memory and I/O Breakpoint Exception Conditions", "Breakpoint Field Recognition"
; expect: log=4 log[0]=#DB@after_store,dr6=1/0xf log[1]=#DB@after_load,dr6=2/0xf log[2]=#DB@after_overlap,dr6=4/0xf
; expect: log[3]=#DB@after_both,dr6=3/0xf mem[0x20000]=dword:0x01000007
%include "protected32.inc"
        install_handlers32
        mov   eax, SCRATCH              ; DR0: one byte, stores
        mov   dr0, eax
        mov   eax, SCRATCH + 2          ; DR1: two bytes, loads and stores
        mov   dr1, eax
        mov   eax, SCRATCH + 0x10       ; DR2: four bytes, stores
        mov   dr2, eax
        mov   eax, 0x400 | 2 | 8 | 0x20 | 1 << 16 | 7 << 20 | 0xd << 24
        mov   dr7, eax
        mov   al, [SCRATCH]             ; Not a store.
        mov   byte [SCRATCH + 1], 0     ; Beside both.
        mov   byte [SCRATCH], 7
after_store:
        mov   al, [SCRATCH + 3]
after_load:
        mov   dword [SCRATCH + 0xd], -1
after_overlap:
        mov   dword [SCRATCH + 0x14], -1
        mov   eax, [SCRATCH + 0x10]
        mov   dword [SCRATCH], 0x01000007
after_both:
        hlt
