#pragma once

// Numbers for pairs of a linear page and the physical page behind it.
//
// Generated code that jumps to another page compares one number instead of two addresses: while the
// number in the target page's fetch slot is the one the jump was made with, the same code is there.
// So a number means one pair for ever; a pair may get a second number when the table became too
// large and was dropped.

#include <vector>

#include "cpu/base/address.h"

namespace doppel::mmu {

class FetchIds {
 public:
  static constexpr size_t kMostPairs = size_t{1} << 20;

  /// Never 0, until all numbers were given: 0 then means that the pair has none.
  u32 id(LinearAddr page, PhysAddr physical);
  size_t size() const { return count_; }

  /// The numbers go on behind `id`. For tests.
  void skip_to(u32 id) { last_ = id; }

 private:
  struct Pair {
    u64 linear = 0;    // Page number.
    u32 physical = 0;  // Page number: below 2^28.
    u32 id = 0;        // 0: the place is free.
  };
  static size_t hash(u64 linear, u32 physical);
  Pair& place(u64 linear, u32 physical);
  void grow();

  std::vector<Pair> pairs_;  // A power of two; open addressing, at most half full.
  size_t count_ = 0;
  u32 last_ = 0;
};

}  // namespace doppel::mmu
