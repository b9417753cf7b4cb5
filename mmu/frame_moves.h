#pragma once

// Pages of the host that have changed places.

#include <unordered_map>
#include <vector>

#include "cpu/base/address.h"

namespace doppel::mmu {

class FrameMoves {
 public:
  /// `pool` is where frame 0 begins.
  FrameMoves(const u8* pool, u64 frames) : pool_(reinterpret_cast<u64>(pool)), has_moved_(frames) {}

  void add(u32 from, u32 to) {
    has_moved_[from] = true;
    to_[from] = to;
  }
  bool empty() const { return to_.empty(); }
  /// Where the bytes of this page of the host are now.
  u64 follow(u64 host_page) const {
    const u64 frame = (host_page - pool_) >> kPageShift;
    if (frame >= has_moved_.size() || !has_moved_[frame]) return host_page;
    return pool_ + (u64{to_.at(static_cast<u32>(frame))} << kPageShift);
  }

 private:
  u64 pool_;
  std::vector<bool> has_moved_;  // Most have not.
  std::unordered_map<u32, u32> to_;
};

}  // namespace doppel::mmu
