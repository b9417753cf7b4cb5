#pragma once

#include "cpu/base/bits.h"
#include "cpu/base/types.h"

// Segment and system descriptors. @source Intel SDM Vol. 3A, "Segment Descriptors", "System Descriptor Types"
namespace doppel {

/// A selector: index, table and requested privilege level.
struct Selector {
  u16 value = 0;
  constexpr unsigned rpl() const { return value & 3; }
  constexpr bool is_ldt() const { return (value & 4) != 0; }
  constexpr u32 offset() const { return value & 0xfff8u; }
  constexpr bool is_null() const { return (value & 0xfffc) == 0; }
  /// As exceptions report it: the RPL bits become EXT and IDT, both clear here.
  constexpr u32 error_code() const { return value & 0xfffcu; }
};

/// Types of system descriptors (S = 0).
enum class SystemType : u8 {
  Tss16Available = 1,
  Ldt = 2,
  Tss16Busy = 3,
  CallGate16 = 4,
  TaskGate = 5,
  InterruptGate16 = 6,
  TrapGate16 = 7,
  TssAvailable = 9,   // 32-bit, or 64-bit in long mode
  TssBusy = 11,
  CallGate = 12,
  InterruptGate = 14,
  TrapGate = 15,
};

/// Attribute bits of a segment: the descriptor's bits 40-47 and 52-55 packed into 12.
namespace attr {
inline constexpr u16 A = 1u << 0;      // accessed (code and data)
inline constexpr u16 RW = 1u << 1;     // code: readable; data: writable
inline constexpr u16 EC = 1u << 2;     // code: conforming; data: expands down
inline constexpr u16 CODE = 1u << 3;
inline constexpr u16 S = 1u << 4;      // code or data, not a system descriptor
inline constexpr unsigned kDplShift = 5;
inline constexpr u16 DPL = 3u << 5;
inline constexpr u16 P = 1u << 7;
inline constexpr u16 AVL = 1u << 8;
inline constexpr u16 L = 1u << 9;      // 64-bit code
inline constexpr u16 DB = 1u << 10;    // default size / big
inline constexpr u16 G = 1u << 11;     // limit counts pages
}  // namespace attr

/// The eight bytes of a descriptor (system descriptors and gates of long mode have eight more).
struct Descriptor {
  u64 low = 0;
  u64 high = 0;  ///< Only 16-byte descriptors: the upper half.

  constexpr u16 attributes() const {
    return static_cast<u16>(bit_field(low, 47, 40) | (bit_field(low, 55, 52) << 8));
  }
  constexpr u32 base32() const {
    return static_cast<u32>(bit_field(low, 39, 16) | (bit_field(low, 63, 56) << 24));
  }
  constexpr u64 base64() const { return base32() | (high << 32); }
  /// In bytes, granularity applied.
  constexpr u32 limit() const {
    const u32 raw = static_cast<u32>(bit_field(low, 15, 0) | (bit_field(low, 51, 48) << 16));
    return (attributes() & attr::G) != 0 ? (raw << 12) | 0xfff : raw;
  }
  constexpr unsigned dpl() const { return static_cast<unsigned>(bit_field(low, 46, 45)); }
  constexpr bool present() const { return bit(low, 47); }
  constexpr bool is_system() const { return !bit(low, 44); }
  constexpr bool is_code() const { return !is_system() && bit(low, 43); }
  constexpr bool is_data() const { return !is_system() && !bit(low, 43); }
  constexpr bool is_conforming() const { return is_code() && bit(low, 42); }
  constexpr bool is_readable() const { return !is_system() && (is_data() || bit(low, 41)); }
  constexpr bool is_writable() const { return is_data() && bit(low, 41); }
  constexpr SystemType system_type() const { return static_cast<SystemType>(bit_field(low, 43, 40)); }

  // Gates.
  constexpr u16 gate_selector() const { return static_cast<u16>(bit_field(low, 31, 16)); }
  constexpr u32 gate_offset32() const {
    return static_cast<u32>(bit_field(low, 15, 0) | (bit_field(low, 63, 48) << 16));
  }
  constexpr u64 gate_offset64() const { return gate_offset32() | (high << 32); }
  constexpr unsigned gate_count() const { return static_cast<unsigned>(bit_field(low, 36, 32)); }
  constexpr unsigned gate_ist() const { return static_cast<unsigned>(bit_field(low, 34, 32)); }
};

}  // namespace doppel
