#pragma once

// How many blocks lie in each 64-byte line of a page: which lines hold code is known when a block goes
// without asking all others.

#include <array>
#include <bit>

#include "cpu/base/types.h"

namespace doppel::mmu {

class LineCounts {
 public:
  /// `lines` as WriteTracking::lines_of gives them.
  void add(u64 lines) {
    used_ |= lines;
    for (; lines != 0; lines &= lines - 1) ++counts_[static_cast<size_t>(std::countr_zero(lines))];
  }
  void remove(u64 lines) {
    for (; lines != 0; lines &= lines - 1) {
      const int line = std::countr_zero(lines);
      if (--counts_[static_cast<size_t>(line)] == 0) used_ &= ~(u64{1} << line);
    }
  }
  u64 used() const { return used_; }

 private:
  u64 used_ = 0;
  std::array<u32, 64> counts_{};
};

}  // namespace doppel::mmu
