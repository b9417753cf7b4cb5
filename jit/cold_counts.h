#pragma once

// How often code that is not translated has been met.

#include <array>
#include <cstring>

#include "cpu/interpreter/block_cache.h"

namespace doppel::jit {

/// How often blocks that are not translated have been decoded. The interpreter forgets them when there are many, and a
/// program that goes round in more code than it keeps would never be translated. Code that has changed is other code.
/// Approximate: places are shared.
class ColdCounts {
 public:
  /// One more decoding of this block; how many there were before, of late.
  u32 count(const cpu::Block& block) {
    if (++counted_ == kCountedBeforeClear) clear();
    u64 mixed = mix(block.physical);
    Place& place = places_[mixed >> (64 - kBits)];
    for (const cpu::Instruction& insn : block.instructions) {
      u64 first = 0, last = 0;  // They overlap: an instruction has up to 15 bytes.
      std::memcpy(&first, insn.bytes, sizeof first);
      std::memcpy(&last, insn.bytes + sizeof insn.bytes - sizeof last, sizeof last);
      mixed = mix(mixed ^ first ^ last << 1);
    }
    const u16 tag = static_cast<u16>(mixed >> 32);
    if (place.tag != tag) place = {tag, 0};
    return place.times < 0xffff ? place.times++ : place.times;
  }
  void clear() {
    places_ = {};
    counted_ = 0;
  }

 private:
  static constexpr unsigned kBits = 15;
  static constexpr u32 kCountedBeforeClear = 8u << kBits;
  static constexpr u64 mix(u64 value) { return (value ^ value >> 29) * 0x9e37'79b9'7f4a'7c15; }
  struct Place {
    u16 tag = 0;
    u16 times = 0;
  };
  std::array<Place, size_t{1} << kBits> places_{};
  u32 counted_ = 0;
};

}  // namespace doppel::jit
