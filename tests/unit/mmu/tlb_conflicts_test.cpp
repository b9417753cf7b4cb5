#include "mmu/tlb_conflicts.h"

#include <utility>

#include <doctest/doctest.h>

using namespace doppel;
using namespace doppel::mmu;

namespace {

// Two pages in turn, until the index is to be chosen anew: how many misses that took.
unsigned collide(TlbConflicts& conflicts, u64 one, u64 other) {
  for (unsigned count = 1; count < 1'000'000; ++count) {
    if (conflicts.note(one, other)) return count;
    std::swap(one, other);
  }
  return 0;
}

bool separates(const TlbIndex& index, u64 one, u64 other) {
  return index.slot(one) != index.slot(other);
}

}  // namespace

TEST_CASE("tlb_conflicts: the lowest bit above the low ones that tells the pair apart is taken") {
  TlbConflicts conflicts;
  CHECK(collide(conflicts, 0x1000'0000, 0x1400'0000) <= 128);
  CHECK(conflicts.choose() == TlbIndex{11, 26});
}

TEST_CASE("tlb_conflicts: each change needs twice the misses, up to a bound") {
  TlbConflicts conflicts;
  unsigned before = 0;
  for (unsigned i = 0; i < 11; ++i) {
    const unsigned needed = collide(conflicts, 0x1000'0000, 0x1400'0000);
    CHECK(needed >= 2 * before - 128 * (before != 0));
    before = needed;
    (void)conflicts.choose();
  }
  CHECK(before >= 65536);
  CHECK(collide(conflicts, 0x1000'0000, 0x1400'0000) <= before);
}

TEST_CASE("tlb_conflicts: a pair that collided before stays apart where one index serves both") {
  TlbConflicts conflicts;
  (void)collide(conflicts, 0x1000'0000, 0x1400'0000);
  (void)conflicts.choose();
  // These two differ in more bits than one, the lower of which does not tell the first pair apart.
  (void)collide(conflicts, 0x1000'0000, 0x1500'0000);
  const TlbIndex index = conflicts.choose();
  CHECK(index == TlbIndex{11, 26});
  CHECK(separates(index, 0x1000'0000, 0x1400'0000));
  CHECK(separates(index, 0x1000'0000, 0x1500'0000));
  // Where none serves both, the newest pair counts.
  (void)collide(conflicts, 0x1000'0000, 0x1000'1000'0000);
  CHECK(separates(conflicts.choose(), 0x1000'0000, 0x1000'1000'0000));
}

TEST_CASE("tlb_conflicts: returns among many other misses are no reason to change") {
  TlbConflicts conflicts;
  for (u64 i = 0; i < 100'000; ++i) {
    const u64 page = i % 4 == 0 ? 0x1000'0000 + ((i / 4) % 2 << 26) : i << 30;
    CHECK_FALSE(conflicts.note(page, i % 4 == 0 ? page ^ 0x400'0000 : TlbConflicts::kNone));
  }
}

TEST_CASE("tlb_conflicts: pages that come back late are no conflict") {
  TlbConflicts conflicts;
  for (u64 i = 0; i < 100'000; ++i) {
    const u64 page = (i % 8192) << kPageShift;
    CHECK_FALSE(conflicts.note(page, page ^ 0x100'0000));
  }
}
