// The handful of firmware services that real-mode boot code cannot do without.
//
// The vector table sends every call to segment 60h. Code and tables are one page of guest memory;
// the operating system forgets about it when it leaves real mode.

#include "frontend/loaders/real_mode_services.h"

#include <algorithm>

#include "frontend/loaders/byte_view.h"

namespace doppel::frontend::loaders {
namespace {

constexpr u16 kSegment = 0x60;

constexpr u16 kFail = 0;
constexpr u16 kInt12 = 16;
constexpr u16 kInt10 = 24;
constexpr u16 kHardware = 48;
constexpr u16 kInt15 = 64;
constexpr u16 kExtendedKib = 192;  // Answer to INT 15h AH=88h
constexpr u16 kE801Low = 194;      // KiB from 1 to 16 MiB
constexpr u16 kE801High = 196;     // 64 KiB units above 16 MiB
constexpr u16 kCount = 198;
constexpr u16 kTable = 200;

// clang-format off
constexpr u8 kCode[] = {
  // 00: any other call fails.
  0x55,                          // push bp
  0x89, 0xe5,                    // mov  bp, sp
  0x80, 0x4e, 0x06, 0x01,        // or   byte [bp+6], 1     ; CF of the caller
  0x5d,                          // pop  bp
  0xcf,                          // iret
  0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
  // 10: INT 12h.
  0xb8, 0x7f, 0x02,              // mov  ax, 639
  0xcf,                          // iret
  0x90, 0x90, 0x90, 0x90,
  // 18: INT 10h, AH = 0Eh: a character to COM1.
  0x80, 0xfc, 0x0e,              // cmp  ah, 0eh
  0x75, 0xe3,                    // jne  fail
  0x52,                          // push dx
  0x50,                          // push ax
  0xba, 0xfd, 0x03,              // mov  dx, 3fdh
  0xec,                          // in   al, dx
  0xa8, 0x20,                    // test al, 20h            ; transmitter empty
  0x74, 0xfb,                    // jz   $-3
  0x58,                          // pop  ax
  0xba, 0xf8, 0x03,              // mov  dx, 3f8h
  0xee,                          // out  dx, al
  0x5a,                          // pop  dx
  0xcf,                          // iret
  0x90, 0x90,
  // 30: interrupts of the chips.
  0x50,                          // push ax
  0xb0, 0x20,                    // mov  al, 20h            ; end of interrupt
  0xe6, 0xa0,                    // out  0a0h, al
  0xe6, 0x20,                    // out  20h, al
  0x58,                          // pop  ax
  0xcf,                          // iret
  0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
  // 40: INT 15h.
  0x3d, 0x20, 0xe8,              // cmp  ax, 0e820h
  0x74, 0x1f,                    // je   e820
  0x3d, 0x01, 0xe8,              // cmp  ax, 0e801h
  0x74, 0x0b,                    // je   e801
  0x80, 0xfc, 0x88,              // cmp  ah, 88h
  0x75, 0xb1,                    // jne  fail
  0x2e, 0xa1, 0xc0, 0x00,        // mov  ax, [cs:c0h]
  0xeb, 0x52,                    // jmp  succeed
  // e801:
  0x2e, 0xa1, 0xc2, 0x00,        // mov  ax, [cs:c2h]
  0x2e, 0x8b, 0x1e, 0xc4, 0x00,  // mov  bx, [cs:c4h]
  0x89, 0xc1,                    // mov  cx, ax
  0x89, 0xda,                    // mov  dx, bx
  0xeb, 0x43,                    // jmp  succeed
  // e820:
  0x66, 0x81, 0xfa, 0x50, 0x41, 0x4d, 0x53,  // cmp edx, 'SMAP'
  0x75, 0x93,                    // jne  fail
  0x2e, 0x3b, 0x1e, 0xc6, 0x00,  // cmp  bx, [cs:c6h]
  0x73, 0x8c,                    // jae  fail
  0x66, 0x83, 0xf9, 0x14,        // cmp  ecx, 20
  0x72, 0x86,                    // jb   fail
  0x56,                          // push si
  0x57,                          // push di
  0x1e,                          // push ds
  0x0e,                          // push cs
  0x1f,                          // pop  ds
  0x6b, 0xf3, 0x14,              // imul si, bx, 20
  0x81, 0xc6, 0xc8, 0x00,        // add  si, c8h
  0xb9, 0x0a, 0x00,              // mov  cx, 10
  0xfc,                          // cld
  0xf3, 0xa5,                    // rep  movsw
  0x1f,                          // pop  ds
  0x5f,                          // pop  di
  0x5e,                          // pop  si
  0x66, 0x0f, 0xb7, 0xdb,        // movzx ebx, bx
  0x43,                          // inc  bx
  0x2e, 0x3b, 0x1e, 0xc6, 0x00,  // cmp  bx, [cs:c6h]
  0x72, 0x03,                    // jb   more
  0x66, 0x31, 0xdb,              // xor  ebx, ebx           ; that was the last one
  0x66, 0x89, 0xd0,              // mov  eax, edx
  0x66, 0xb9, 0x14, 0x00, 0x00, 0x00,  // mov ecx, 20
  // succeed:
  0x55,                          // push bp
  0x89, 0xe5,                    // mov  bp, sp
  0x80, 0x66, 0x06, 0xfe,        // and  byte [bp+6], 0feh
  0x5d,                          // pop  bp
  0xcf,                          // iret
};
// clang-format on
static_assert(sizeof kCode <= kExtendedKib);

}  // namespace

Piece bios_data_piece() {
  std::vector<u8> area(0x100);
  put<u16>(area, 0x00, 0x3f8);   // COM1
  put<u16>(area, 0x02, 0x2f8);   // COM2
  put<u16>(area, 0x0e, 0x9fc0);  // Segment of the extended data area
  put<u16>(area, 0x10, 0x0402);  // Equipment: two serial ports, mathematics unit
  put<u16>(area, 0x13, 639);     // KiB below 640 KiB
  put<u16>(area, 0x1a, 0x1e);    // Keyboard buffer: empty
  put<u16>(area, 0x1c, 0x1e);
  put<u16>(area, 0x80, 0x1e);
  put<u16>(area, 0x82, 0x3e);
  return {PhysAddr(0x400), std::move(area)};
}

std::vector<Piece> real_mode_service_pieces(const MemoryMap& memory) {
  std::vector<u8> vectors(0x400);
  for (unsigned vector = 0; vector < 256; ++vector) {
    u16 offset = kFail;
    if (vector == 0x10) offset = kInt10;
    if (vector == 0x12) offset = kInt12;
    if (vector == 0x15) offset = kInt15;
    if ((vector >= 0x08 && vector <= 0x0f) || (vector >= 0x70 && vector <= 0x77))
      offset = kHardware;
    put<u16>(vectors, vector * 4, offset);
    put<u16>(vectors, vector * 4 + 2, kSegment);
  }

  std::vector<u8> services(kTable + memory.ranges().size() * 20);
  std::copy(std::begin(kCode), std::end(kCode), services.begin());
  const u32 extended = memory.upper_kib();
  put<u16>(services, kExtendedKib, static_cast<u16>(std::min<u32>(extended, 0xffff)));
  put<u16>(services, kE801Low, static_cast<u16>(std::min<u32>(extended, 15 * 1024)));
  put<u16>(services, kE801High,
           static_cast<u16>(extended > 15 * 1024 ? (extended - 15 * 1024) / 64 : 0));
  put<u16>(services, kCount, static_cast<u16>(memory.ranges().size()));
  u64 at = kTable;
  for (const MemoryRange& range : memory.ranges()) {
    put<u64>(services, at, range.first);
    put<u64>(services, at + 8, range.size);
    put<u32>(services, at + 16, static_cast<u32>(range.type));
    at += 20;
  }
  std::vector<Piece> pieces;
  pieces.push_back({PhysAddr(0), std::move(vectors)});
  pieces.push_back(bios_data_piece());
  pieces.push_back({PhysAddr(u64{kSegment} << 4), std::move(services)});
  return pieces;
}

}  // namespace doppel::frontend::loaders
