#pragma once

// Small kernels of each kind that the loaders know, as files.

#include <cstring>
#include <vector>

#include <elf.h>

#include "frontend/loaders/byte_view.h"

namespace doppel::test {

using frontend::loaders::put;

/// A bzImage of protocol 2.15 with a 64-bit entry and 4 setup sectors.
/// @source Linux, Documentation/arch/x86/boot.rst
inline std::vector<u8> linux_image(u32 payload_bytes) {
  constexpr u32 kSetup = 5 * 512;
  std::vector<u8> image(kSetup + payload_bytes, 0x90);
  std::memset(image.data(), 0, kSetup);
  put<u8>(image, 0x1f1, 4);
  put<u32>(image, 0x1f4, payload_bytes / 16);
  put<u16>(image, 0x1fe, 0xaa55);
  put<u16>(image, 0x200, 0x6aeb);
  put<u32>(image, 0x202, 0x53726448);
  put<u16>(image, 0x206, 0x20f);
  put<u8>(image, 0x211, 1);
  put<u32>(image, 0x214, 0x100000);
  put<u32>(image, 0x22c, 0x7fffffff);
  put<u32>(image, 0x230, 0x200000);
  put<u8>(image, 0x234, 1);
  put<u16>(image, 0x236, 1);
  put<u32>(image, 0x238, 2047);
  put<u64>(image, 0x258, 0x1000000);
  put<u32>(image, 0x260, 0x1000000);
  return image;
}

/// Header at 40h, address fields: 32 KiB in memory from 1 MiB on.
/// @source Multiboot Specification 0.6.96
inline std::vector<u8> multiboot1_image(size_t bytes) {
  constexpr u32 kMagic = 0x1badb002, kFlags = 0x10003;
  std::vector<u8> image(bytes);
  put<u32>(image, 0x40, kMagic);
  put<u32>(image, 0x44, kFlags);
  put<u32>(image, 0x48, 0 - kMagic - kFlags);
  put<u32>(image, 0x4c, 0x100040);
  put<u32>(image, 0x50, 0x100000);
  put<u32>(image, 0x54, 0);
  put<u32>(image, 0x58, 0x108000);
  put<u32>(image, 0x5c, 0x100100);
  return image;
}

/// Tags for addresses and entry; loaded at 1 MiB.
/// @source Multiboot2 Specification 2.0
inline std::vector<u8> multiboot2_image(size_t bytes) {
  constexpr u32 kMagic = 0xe85250d6, kLength = 64;
  std::vector<u8> image(bytes);
  put<u32>(image, 0, kMagic);
  put<u32>(image, 8, kLength);
  put<u32>(image, 12, 0 - kMagic - kLength);
  put<u16>(image, 16, 2);
  put<u32>(image, 20, 24);
  put<u32>(image, 24, 0x100000);
  put<u32>(image, 28, 0x100000);
  put<u16>(image, 40, 3);
  put<u32>(image, 44, 12);
  put<u32>(image, 48, 0x100200);
  put<u32>(image, 60, 8);
  return image;
}

/// One segment of 64 bytes in the file and 4096 in memory at 2 MiB, and room for a PVH note, whose entry is
/// 200020h. `linear`: where the segment is linked.
template <class Header, class Segment>
std::vector<u8> elf_image(u8 klass, u16 machine, u64 linear, bool with_note) {
  std::vector<u8> image(0x400);
  Header header = {};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = klass;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_type = ET_EXEC;
  header.e_machine = machine;
  header.e_entry = static_cast<decltype(header.e_entry)>(linear + 0x10);
  header.e_phoff = sizeof header;
  header.e_phentsize = sizeof(Segment);
  header.e_phnum = 2;
  put(image, 0, header);
  Segment load = {};
  load.p_type = PT_LOAD;
  load.p_offset = 0x200;
  load.p_vaddr = static_cast<decltype(load.p_vaddr)>(linear);
  load.p_paddr = 0x200000;
  load.p_filesz = 64;
  load.p_memsz = 4096;
  put(image, sizeof header, load);
  Segment note = {};
  note.p_type = with_note ? PT_NOTE : PT_NULL;
  note.p_offset = 0x300;
  note.p_filesz = 20;
  put(image, sizeof header + sizeof load, note);
  put<u32>(image, 0x300, 4);
  put<u32>(image, 0x304, 4);
  put<u32>(image, 0x308, 18);
  std::memcpy(&image[0x30c], "Xen", 4);
  put<u32>(image, 0x310, 0x200020);
  return image;
}

}  // namespace doppel::test
