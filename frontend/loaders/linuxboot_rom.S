// The option ROM that starts a Linux kernel which fw_cfg holds, when firmware boots from it.
//
// Firmware finds a boot entry vector in the ROM's Plug and Play header. Called there, the code has
// fw_cfg's DMA put setup code, command line, initial RAM disk and kernel where fw_cfg says they
// belong, and enters the setup code in real mode. linuxboot.cpp adds the sums.
//
// @source  BIOS Boot Specification 1.01, "Boot Entry Vector"; Plug and Play BIOS Specification
// 1.0A, "Option ROM"; QEMU documentation, "QEMU Firmware Configuration (fw_cfg) Device"; Linux,
// Documentation/arch/x86/boot.rst

#define FW_CFG_SELECT 0x510
#define FW_CFG_DATA 0x511
#define FW_CFG_DMA_HIGH 0x514
#define FW_CFG_DMA_LOW 0x518
#define DMA_READ_AND_SELECT 0x0a
#define DMA_ERROR 0x01

// In conventional memory, which is free: a descriptor, below it the stack.
#define DESCRIPTOR 0x7c00
#define DESCRIPTOR_BIG_ENDIAN 0x007c0000
#define CONTROL (DESCRIPTOR)
#define LENGTH (DESCRIPTOR + 4)
#define ADDRESS_HIGH (DESCRIPTOR + 8)
#define ADDRESS_LOW (DESCRIPTOR + 12)

#define KEY_COMMAND_LINE_ADDRESS 0x13
#define KEY_SETUP_ADDRESS 0x16

  .section .rodata
  .globl doppel_linuxboot_rom
  .globl doppel_linuxboot_rom_end
  .code16

doppel_linuxboot_rom:
rom:
  .word 0xaa55
  .byte (end - rom) / 512
  lretw                          // Initialisation: nothing to do.
  .org rom + 0x18
  .word 0                        // No PCI data structure.
  .word header - rom

  .org rom + 0x20
header:
  .ascii "$PnP"
  .byte 0x01                     // Revision
  .byte 32 / 16                  // Length
  .word 0                        // No further header.
  .byte 0
  .byte 0                        // Sum
  .long 0                        // Device
  .word maker - rom
  .word product - rom
  .byte 0, 0x80, 0x02            // Class: another mass storage
  .byte 0xe4                     // May be shadowed, read cached, boots.
  .word 0, 0                     // No boot connection, no disconnection.
  .word boot - rom
  .word 0, 0

maker:
  .asciz "doppel"
product:
  .asciz "Linux given by -kernel"

// Keys of address, length and contents.
items:
  .byte KEY_SETUP_ADDRESS, 0x17, 0x18
  .byte KEY_COMMAND_LINE_ADDRESS, 0x14, 0x15
  .byte 0x0a, 0x0b, 0x12         // The initial RAM disk
  .byte 0x07, 0x08, 0x11         // The kernel
  .byte 0

boot:
  cli
  cld
  xorw %ax, %ax
  movw %ax, %ds
  movw %ax, %ss
  movw $DESCRIPTOR, %sp
  movw $(items - rom), %bx

fetch:
  movb %cs:(%bx), %al
  testb %al, %al
  jz start
  call read_number
  bswapl %eax
  movl %eax, ADDRESS_LOW
  movl $0, ADDRESS_HIGH
  movb %cs:1(%bx), %al
  call read_number
  bswapl %eax
  movl %eax, LENGTH
  movzbl %cs:2(%bx), %eax
  shll $16, %eax
  orb $DMA_READ_AND_SELECT, %al
  bswapl %eax
  movl %eax, CONTROL
  xorl %eax, %eax
  movw $FW_CFG_DMA_HIGH, %dx
  outl %eax, %dx
  movl $DESCRIPTOR_BIG_ENDIAN, %eax
  movw $FW_CFG_DMA_LOW, %dx
  outl %eax, %dx
wait:
  movl CONTROL, %eax
  testl $(DMA_ERROR << 24), %eax
  jnz fail
  testl %eax, %eax
  jnz wait
  addw $3, %bx
  jmp fetch

fail:
  sti
  int $0x18                      // Firmware tries the next place.

// DS = ES = SS: the setup code's segment; the stack ends where the command line begins.
start:
  movb $KEY_SETUP_ADDRESS, %al
  call read_number
  movl %eax, %esi
  movb $KEY_COMMAND_LINE_ADDRESS, %al
  call read_number
  subl %esi, %eax
  shrl $4, %esi
  movw %si, %ds
  movw %si, %es
  movw %si, %fs
  movw %si, %gs
  movw %si, %ss
  movzwl %ax, %esp
  addw $0x20, %si
  pushw %si
  pushw $0
  lretw

// EAX = the little-endian number of item AL.
read_number:
  movzbw %al, %ax
  movw $FW_CFG_SELECT, %dx
  outw %ax, %dx
  movw $FW_CFG_DATA, %dx
  movw $4, %cx
read_byte:
  inb %dx, %al
  rorl $8, %eax
  loop read_byte
  ret

  .org rom + 1023
  .byte 0                        // Sum
end:
doppel_linuxboot_rom_end:

  .section .note.GNU-stack, "", @progbits
