#pragma once

#include <bit>
#include <type_traits>

#include "cpu/base/types.h"

namespace doppel {

/// Bits `high`..`low` of `value`, shifted down.
constexpr u64 bit_field(u64 value, unsigned high, unsigned low) {
  return (value >> low) & (~u64{0} >> (63 - (high - low)));
}

constexpr bool bit(u64 value, unsigned index) { return (value >> index) & 1; }

constexpr u64 with_bit(u64 value, unsigned index, bool on) {
  return (value & ~(u64{1} << index)) | (u64{on} << index);
}

/// Sign-extends the low `width` bits.
constexpr u64 sign_extend(u64 value, unsigned width_bits) {
  const unsigned shift = 64 - width_bits;
  return static_cast<u64>(static_cast<i64>(value << shift) >> shift);
}

constexpr u64 truncate(u64 value, unsigned width_bits) {
  return width_bits == 64 ? value : value & ((u64{1} << width_bits) - 1);
}

constexpr u64 align_down(u64 value, u64 alignment) { return value & ~(alignment - 1); }
constexpr u64 align_up(u64 value, u64 alignment) {
  return (value + alignment - 1) & ~(alignment - 1);
}

/// True if bits 63..`width`-1 are all equal ("canonical").
constexpr bool is_canonical(u64 address, unsigned linear_bits) {
  return sign_extend(address, linear_bits) == address;
}

}  // namespace doppel
