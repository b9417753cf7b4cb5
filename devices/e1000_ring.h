#pragma once

// A ring of 16-byte descriptors in the guest's memory, as both halves of an e1000 have one.
//
//     base --> | 0 | 1 | ... | head | ... | tail | ... | size - 1 |
//                             `-- the card's ---'
//
// From head up to, and without, tail the descriptors are the card's; equal, it has none. The driver
// moves the tail, the card the head, and both wrap.

#include <array>
#include <span>

#include "cpu/base/archive.h"
#include "mmu/physical_memory.h"

namespace doppel::devices {

/// @source  Intel 8254x Software Developer's Manual, "Receive Descriptor Queue Structure" (3.2.6) and
///          "Transmit Descriptor Ring Structure" (3.4)
class E1000Ring {
 public:
  static constexpr u32 kDescriptorBytes = 16;
  /// Four words, lowest first.
  using Descriptor = std::array<u32, 4>;

  explicit E1000Ring(mmu::PhysicalMemory& memory) : memory_(memory) {}

  /// Registers as offsets from BAL: BAL 0, BAH 4, LEN 8, H 16, T 24.
  u32 read(u32 offset) const;
  void write(u32 offset, u32 value);

  /// Descriptors that the ring has, and those that are the card's.
  u32 size() const { return length_ / kDescriptorBytes; }
  u32 available() const;

  /// The descriptor at the head, which must be the card's.
  Descriptor fetch() const;
  /// Bytes `offset`... of the descriptor at the head.
  void write_back(u32 offset, std::span<const u8> bytes);
  /// The descriptor at the head is done.
  void advance();

  void reset();
  void serialize(Archive& archive) { archive(base_, length_, head_, tail_); }

 private:
  PhysAddr at_head() const { return PhysAddr(base_ + u64{head_} * kDescriptorBytes); }

  mmu::PhysicalMemory& memory_;
  u64 base_ = 0;
  u32 length_ = 0;
  u32 head_ = 0;
  u32 tail_ = 0;
};

}  // namespace doppel::devices
