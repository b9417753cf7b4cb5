#include "mmu/fetch_ids.h"

#include <utility>

namespace doppel::mmu {

namespace {

constexpr size_t kFirstPlaces = 1024;
constexpr u32 kLastId = ~u32{0};

}  // namespace

size_t FetchIds::hash(u64 linear, u32 physical) {
  const u64 mixed = (linear ^ u64{physical} << 36) * 0x9e37'79b9'7f4a'7c15;
  return mixed >> 24;
}

// Where the pair stands, or where it would.
FetchIds::Pair& FetchIds::place(u64 linear, u32 physical) {
  size_t at = hash(linear, physical) & (pairs_.size() - 1);
  while (true) {
    Pair& pair = pairs_[at];
    if (pair.id == 0 || (pair.linear == linear && pair.physical == physical)) return pair;
    at = (at + 1) & (pairs_.size() - 1);
  }
}

void FetchIds::grow() {
  if (count_ >= kMostPairs) {
    pairs_.clear();
    count_ = 0;
  }
  const std::vector<Pair> before = std::exchange(
      pairs_, std::vector<Pair>(pairs_.empty() ? kFirstPlaces : pairs_.size() * 2));
  for (const Pair& pair : before) {
    if (pair.id != 0) place(pair.linear, pair.physical) = pair;
  }
}

u32 FetchIds::id(LinearAddr page, PhysAddr physical) {
  if (2 * count_ >= pairs_.size()) grow();
  const u64 linear = page.page_number();
  const u32 number = static_cast<u32>(physical.page_number());
  Pair& pair = place(linear, number);
  if (pair.id != 0) return pair.id;
  if (last_ == kLastId) return 0;
  pair = {linear, number, ++last_};
  ++count_;
  return pair.id;
}

}  // namespace doppel::mmu
