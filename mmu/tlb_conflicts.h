#pragma once

// Notices pages that keep evicting each other from the shadow TLB, and says how slots should be
// chosen so that they stop.
//
// A program that copies word by word between two buffers whose pages have the same slots misses on
// every access. The sign is a page that comes back soon after it was evicted: it is among the last
// few pages that were. Where most misses for a while are such returns, the index is chosen anew;
// scattered ones come with every large working set, and no index helps. Unless it is the index that
// makes them: one that was chosen for the buffers of a program that has ended lets the pages of a
// large one collide, which the default keeps apart. Such evictions count as returns do. What kept
// colliding is remembered as the address bits in which the two differ: a choice tells two pages
// apart if its mask has one of these bits.

#include <array>

#include "mmu/shadow_tlb.h"

namespace doppel::mmu {

class TlbConflicts {
 public:
  static constexpr u64 kNone = ~u64{0};

  /// A miss filled the slot of `page`, and `evicted` had to go (kNone: the slot was free). True:
  /// choose() is worth its flush now.
  bool note(u64 page, u64 evicted);
  /// The index that tells most of the remembered pairs apart, the newest in any case. Starts
  /// counting anew.
  TlbIndex choose();

 private:
  // A change costs refills, so it must be paid for by misses: the count that causes one doubles each
  // time, up to where a flush does not matter beside it. A guest that collides on purpose is bounded.
  static constexpr u64 kFirstThreshold = 64;
  static constexpr u64 kLastThreshold = 65536;
  // Fewer low bits would make the parts of one buffer collide.
  static constexpr unsigned kLeastLowBits = 11;
  static constexpr unsigned kWindow = 64;  // Misses.

  void remember(u64 difference);
  unsigned separated(u64 mask) const;

  std::array<u64, 16> evicted_{};  // A ring.
  size_t next_ = 0;
  std::array<u64, 8> differences_{};  // Newest first; 0: none.
  unsigned window_misses_ = 0;
  unsigned window_returns_ = 0;
  u64 returns_ = 0;  // In windows that were mostly returns, or made by the index.
  u64 threshold_ = kFirstThreshold;
};

}  // namespace doppel::mmu
