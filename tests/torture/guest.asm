; A multiboot kernel that does nothing but write to the first IDE disk, as fast as it can.
;
; Work is numbered. What number n does (where, how much, by which command) follows from n alone, so
; whoever watches can tell what must be on the disk. Every sector carries its place and its number:
;
;     dword 0: magic   1: LBA   2: number   3 to 127: number * kSpread xor LBA
;
; What is durable is reported on port E9h: "F" and the number in hexadecimal, after a flush that
; succeeded or, on a disk without a write cache, after each command.
; @source  ATA/ATAPI-7 Vol. 1, "Command descriptions"; Intel 82371SB (PIIX3), "IDE Interface"

        bits  32
        org   0x100000

kMagic  equ   0x4c505044
kSpread equ   0x9e3779b1
kBuffer equ   0x200000
kTable  equ   0x1f0000          ; The bus master's descriptors.
kMaster equ   0xc000

header: dd    0x1badb002, 0x00010000, -(0x1badb002 + 0x00010000)
        dd    header, 0x100000, 0, 0, start

; What the test fills in, by offset from `parameters`.
        db    "PARAMETERS:     "
parameters:
number: dd    0                 ; The last number that was used.
area:   dd    0                 ; Sectors that are written, from the first on.
always: dd    0                 ; 1: a command that is over is durable.
trims:  dd    0                 ; 1: some numbers discard.

start:  mov   esp, 0x180000
        mov   eax, 0x80000904   ; Function 1 of slot 1: I/O and bus master on.
        mov   edx, 5
        call  set_config
        mov   eax, 0x80000920   ; BAR 4.
        mov   edx, kMaster
        call  set_config
        mov   dx, 0x3f6
        mov   al, 2             ; No interrupts.
        out   dx, al

next:   inc   dword [number]
        mov   eax, [number]
        call  mix
        mov   ebx, eax          ; The place.
        xor   eax, 0x5bd1e995
        call  mix
        mov   esi, eax          ; The manner.
        xor   edx, edx
        mov   eax, ebx
        mov   ecx, [area]
        sub   ecx, 64
        div   ecx
        mov   ebx, edx          ; EBX: LBA.
        mov   ecx, esi
        and   ecx, 15
        inc   ecx               ; ECX: sectors.
        mov   eax, esi
        shr   eax, 4
        and   eax, 15
        cmp   al, 13
        jb    .write
        test  dword [trims], 1
        jnz   .trim
.write: push  eax
        call  fill
        pop   eax
        test  al, 1
        jnz   .dma
        call  write_pio
        jmp   .done
.dma:   mov   al, 0xca
        call  write_dma
        jmp   .done
.trim:  shl   ecx, 2            ; 4 to 64 sectors.
        call  discard
.done:  test  dword [always], 1
        jnz   report
        shr   esi, 8
        and   esi, 7
        jnz   next
        call  wait_idle
        mov   al, 0xe7          ; FLUSH CACHE.
        mov   dx, 0x1f7
        out   dx, al
        call  wait_idle
report: mov   al, 'F'
        out   0xe9, al
        mov   ecx, 8
        mov   ebx, [number]
.digit: rol   ebx, 4
        mov   eax, ebx
        and   eax, 15
        mov   al, [digits + eax]
        out   0xe9, al
        loop  .digit
        mov   al, 10
        out   0xe9, al
        jmp   next

; EAX: a number, then 32 bits that look random. Changes EDX.
mix:    imul  eax, eax, kSpread
        mov   edx, eax
        shr   edx, 16
        xor   eax, edx
        imul  eax, eax, 0x85ebca6b
        mov   edx, eax
        shr   edx, 13
        xor   eax, edx
        imul  eax, eax, 0xc2b2ae35
        mov   edx, eax
        shr   edx, 16
        xor   eax, edx
        ret

; ECX sectors for LBA EBX into the buffer.
fill:   push  ebx
        push  ecx
        push  esi
        mov   esi, ecx
        mov   edi, kBuffer
.sector:
        mov   eax, kMagic
        stosd
        mov   eax, ebx
        stosd
        mov   eax, [number]
        stosd
        imul  eax, eax, kSpread
        xor   eax, ebx
        mov   ecx, 125
        rep   stosd
        inc   ebx
        dec   esi
        jnz   .sector
        pop   esi
        pop   ecx
        pop   ebx
        ret

; The task file for ECX sectors at LBA EBX.
address:
        call  wait_idle
        mov   dx, 0x1f6
        mov   eax, ebx
        shr   eax, 24
        and   al, 0x0f
        or    al, 0xe0
        out   dx, al
        mov   dx, 0x1f2
        mov   al, cl
        out   dx, al
        inc   edx
        mov   eax, ebx
        out   dx, al
        inc   edx
        shr   eax, 8
        out   dx, al
        inc   edx
        shr   eax, 8
        out   dx, al
        ret

write_pio:
        call  address
        mov   dx, 0x1f7
        mov   al, 0x30          ; WRITE SECTORS.
        out   dx, al
        push  esi
        mov   esi, kBuffer
.sector:
        call  wait_data
        push  ecx
        mov   ecx, 128
        mov   dx, 0x1f0
        rep   outsd
        pop   ecx
        loop  .sector
        pop   esi
        jmp   wait_idle

; AL: the command; the buffer goes to the disk, ECX sectors of it.
write_dma:
        push  eax
        call  address
        pop   eax
        jmp   move_out

; DATA SET MANAGEMENT, TRIM: one range.
discard:
        mov   edi, kBuffer
        push  ecx
        mov   eax, ebx
        stosd
        mov   eax, ecx
        shl   eax, 16
        stosd
        mov   ecx, 126
        xor   eax, eax
        rep   stosd
        call  wait_idle
        mov   dx, 0x1f1
        mov   al, 1
        out   dx, al
        inc   edx
        xor   eax, eax          ; The count is two bytes deep.
        out   dx, al
        push  ebx
        xor   ebx, ebx
        mov   ecx, 1
        call  address
        pop   ebx
        mov   al, 0x06
        call  move_out
        pop   ecx
        ret

; Starts command AL with ECX sectors of the buffer by DMA, and waits.
move_out:
        push  eax
        mov   dword [kTable], kBuffer
        mov   eax, ecx
        shl   eax, 9
        or    eax, 0x80000000
        mov   [kTable + 4], eax
        mov   dx, kMaster + 4
        mov   eax, kTable
        out   dx, eax
        mov   dx, kMaster + 2
        mov   al, 6
        out   dx, al
        pop   eax
        mov   dx, 0x1f7
        out   dx, al
        mov   dx, kMaster
        mov   al, 1             ; From memory.
        out   dx, al
        call  wait_idle
        mov   dx, kMaster
        xor   al, al
        out   dx, al
        ret

wait_idle:
        mov   dx, 0x1f7
.again: in    al, dx
        test  al, 0x80
        jnz   .again
        test  al, 0x21
        jnz   failed
        test  al, 0x08
        jnz   .again
        ret

wait_data:
        mov   dx, 0x1f7
.again: in    al, dx
        test  al, 0x80
        jnz   .again
        test  al, 0x21
        jnz   failed
        test  al, 0x08
        jz    .again
        ret

; A command that fails ends it: isa-debug-exit, status 3.
failed: mov   al, 1
        mov   dx, 0xf4
        out   dx, al
        cli
        hlt

set_config:
        push  edx
        mov   dx, 0xcf8
        out   dx, eax
        pop   eax
        mov   dx, 0xcfc
        out   dx, eax
        ret

digits: db    "0123456789ABCDEF"
