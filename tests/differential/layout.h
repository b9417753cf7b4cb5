#pragma once

// Where things stand in the tests, on the host and in the guest alike.
//
// Everything lies below 4 GiB, so that the same linear addresses work in 16-, 32- and 64-bit code:
//
//     kCode    two pages, readable and executable
//     kData    unmapped | writable x3 | read-only | unmapped
//     kStack   unmapped | writable x2 | unmapped
//
// Segments come from a local descriptor table that both sides load with the same entries.

#include <array>

#include "cpu/arch/descriptor.h"
#include "cpu/base/address.h"
#include "cpu/base/types.h"

namespace doppel::differential {

inline constexpr u64 kCode = 0x1000'0000;
inline constexpr unsigned kCodePages = 2;
inline constexpr u64 kData = 0x2000'0000;
inline constexpr unsigned kDataPages = 3;      // Writable ones; a read-only one follows.
inline constexpr u64 kStack = 0x3000'0000;
inline constexpr unsigned kStackPages = 2;

inline constexpr u64 kDataBytes = (kDataPages + 1) * kPageSize;
inline constexpr u64 kStackBytes = kStackPages * kPageSize;

/// Selectors that Linux gives every process. @source Linux arch/x86/include/asm/segment.h
inline constexpr u16 kFlatCode32 = 0x23;
inline constexpr u16 kFlatData = 0x2b;
inline constexpr u16 kFlatCode64 = 0x33;
inline constexpr u16 kProcessorNumber = 0x7b;

/// An entry of the local descriptor table, in the terms of modify_ldt(2).
struct LdtEntry {
  u64 base = 0;
  u32 limit = 0;         ///< In bytes, or in pages where `pages`.
  u8 contents = 0;       ///< 0 data, 1 data that expands down, 2 code, 3 conforming code.
  bool is_32bit = false;
  bool pages = false;
  bool read_only = false;  ///< Data: not writable. Code: not readable.
  bool present = true;

  constexpr u16 attributes() const {
    return static_cast<u16>(attr::A | (read_only ? 0 : attr::RW) | contents << 2 | attr::S | attr::DPL |
                            (present ? attr::P : 0) | (is_32bit ? attr::DB : 0) | (pages ? attr::G : 0));
  }
};

/// Names of the entries, in order.
enum LdtIndex : u16 {
  kCode16, kData16, kStack16, kShort16, kReadOnly16, kDown16, kOffset32, kShort32, kCode32Based,
  kNotPresent, kExecuteOnly16, kDown32, kLdtEntries
};

inline constexpr std::array<LdtEntry, kLdtEntries> kLdt = {{
    {kCode, 0xffff, 2, false, false, false, true},
    {kData - 0x3000, 0xffff, 0, false, false, false, true},
    {kStack - 0x8000, 0xffff, 0, false, false, false, true},
    {kData, 0x17fb, 0, false, false, false, true},          // The limit lies inside writable pages.
    {kData, 0x2fff, 0, false, false, true, true},
    {kData, 0x0fff, 1, false, false, false, true},
    {kData - 0x10000, 0xfffff, 0, true, true, false, true},  // Offsets wrap around 4 GiB.
    {kData, 0x17fb, 0, true, false, false, true},
    {kCode, 0xfffff, 2, true, true, false, true},
    {kData, 0xffff, 0, false, false, false, false},
    {kCode, 0xffff, 2, false, false, true, true},
    {kData, 0x1ffe, 1, true, false, false, true},
}};

constexpr u16 ldt_selector(LdtIndex index) { return static_cast<u16>(index << 3 | 7); }

/// The descriptor of a table entry, as it stands in memory.
constexpr u64 ldt_descriptor(const LdtEntry& entry) {
  const u64 a = entry.attributes();
  return (u64{entry.limit} & 0xffff) | (entry.base & 0xff'ffff) << 16 | (a & 0xff) << 40 |
         (u64{entry.limit} >> 16 & 0xf) << 48 | (a >> 8) << 52 | (entry.base >> 24 & 0xff) << 56;
}

}  // namespace doppel::differential
