#include "mmu/tlb_conflicts.h"

#include <algorithm>

namespace doppel::mmu {

bool TlbConflicts::note(u64 page, u64 evicted) {
  if (evicted != kNone) {
    const bool returns = std::find(evicted_.begin(), evicted_.end(), page) != evicted_.end();
    const bool is_self_made = TlbIndex().slot(page) != TlbIndex().slot(evicted);
    if (returns || is_self_made) {
      ++window_returns_;
      remember(page ^ evicted);
    }
    evicted_[next_] = evicted;
    next_ = (next_ + 1) % evicted_.size();
  }
  if (++window_misses_ < kWindow) return false;
  if (window_returns_ >= kWindow / 2) returns_ += window_returns_;
  window_misses_ = window_returns_ = 0;
  return returns_ >= threshold_;
}

void TlbConflicts::remember(u64 difference) {
  const auto known = std::find(differences_.begin(), differences_.end(), difference);
  const auto last = known == differences_.end() ? known - 1 : known;
  std::move_backward(differences_.begin(), last, last + 1);
  differences_.front() = difference;
}

unsigned TlbConflicts::separated(u64 mask) const {
  const auto count = std::count_if(differences_.begin(), differences_.end(),
                                   [mask](u64 difference) { return (difference & mask) != 0; });
  return static_cast<unsigned>(count);
}

TlbIndex TlbConflicts::choose() {
  returns_ = 0;
  threshold_ = std::min(threshold_ * 2, kLastThreshold);
  TlbIndex best;
  unsigned best_count = 0;
  // In the order of preference: many low bits, which keep neighbours apart, and low high ones.
  for (unsigned low_bits = ShadowTlb::kIndexBits; low_bits >= kLeastLowBits; --low_bits) {
    const unsigned high_bits = ShadowTlb::kIndexBits - low_bits;
    for (unsigned shift = kPageShift + low_bits; shift + high_bits < 64; ++shift) {
      const TlbIndex candidate{low_bits, shift};
      if ((candidate.mask() & differences_.front()) == 0) continue;
      const unsigned count = separated(candidate.mask());
      if (count <= best_count) continue;
      best = candidate;
      best_count = count;
    }
  }
  return best;
}

}  // namespace doppel::mmu
