#pragma once

#include <compare>

#include "cpu/base/types.h"

namespace doppel {

inline constexpr unsigned kPageShift = 12;
inline constexpr u64 kPageSize = u64{1} << kPageShift;
inline constexpr u64 kPageOffsetMask = kPageSize - 1;
inline constexpr u64 kPageMask = ~kPageOffsetMask;

/// An address with a meaning. Kinds do not convert into each other; `value` is the bare number.
template <class Tag>
struct Address {
  u64 value = 0;

  constexpr Address() = default;
  constexpr explicit Address(u64 v) : value(v) {}

  constexpr u64 page_offset() const { return value & kPageOffsetMask; }
  constexpr Address page() const { return Address(value & kPageMask); }
  constexpr u64 page_number() const { return value >> kPageShift; }

  friend constexpr auto operator<=>(Address, Address) = default;
  friend constexpr Address operator+(Address a, u64 offset) { return Address(a.value + offset); }
  friend constexpr Address operator-(Address a, u64 offset) { return Address(a.value - offset); }
};

/// What the guest's segments produce.
using LinearAddr = Address<struct LinearTag>;
/// What the guest's page tables produce ("guest-physical").
using PhysAddr = Address<struct PhysTag>;

/// A frame of doppel's own machine memory. Guests never see one.
struct FrameNumber {
  u32 value = kNone;
  static constexpr u32 kNone = 0xffff'ffff;
  constexpr bool valid() const { return value != kNone; }
  friend constexpr bool operator==(FrameNumber, FrameNumber) = default;
};

}  // namespace doppel
