#pragma once

#include <array>
#include <bit>

#include "cpu/base/archive.h"
#include "cpu/base/types.h"

namespace doppel::devices {

/// One bit for each of the 256 vectors, as IRR, ISR and TMR are; the highest one is always known.
class VectorSet {
 public:
  static constexpr int kNone = -1;

  bool contains(u8 vector) const { return (words_[vector >> 6] >> (vector & 63)) & 1; }
  int highest() const { return highest_; }

  void insert(u8 vector) {
    words_[vector >> 6] |= u64{1} << (vector & 63);
    if (vector > highest_) highest_ = vector;
  }
  void erase(u8 vector) {
    words_[vector >> 6] &= ~(u64{1} << (vector & 63));
    if (vector == highest_) find_highest();
  }
  void clear() {
    words_ = {};
    highest_ = kNone;
  }
  /// The 32 bits of register `index` (0..7).
  u32 register_value(unsigned index) const {
    return static_cast<u32>(words_[(index >> 1) & 3] >> (index & 1 ? 32 : 0));
  }

  void serialize(Archive& archive) {
    archive(words_);
    find_highest();
  }

 private:
  void find_highest() {
    highest_ = kNone;
    for (int word = 3; word >= 0; --word) {
      if (words_[static_cast<size_t>(word)] == 0) continue;
      highest_ = word * 64 + 63 - std::countl_zero(words_[static_cast<size_t>(word)]);
      return;
    }
  }

  std::array<u64, 4> words_{};
  int highest_ = kNone;
};

}  // namespace doppel::devices
