#include "mmu/write_tracking.h"

#include <doctest/doctest.h>

using namespace doppel;
using namespace doppel::mmu;

TEST_CASE("write_tracking: lines whose code went away are quiet again, the others are not") {
  WriteTracking tracking;
  unsigned heard = 0;
  tracking.set_observer(TrackReason::Code, [&](PhysAddr, u64) { ++heard; });
  tracking.track_code(PhysAddr(0x7000), 0x100);
  tracking.set_code_lines(PhysAddr(0x7000), WriteTracking::lines_of(PhysAddr(0x7080), 0x40));
  tracking.notify(PhysAddr(0x7000), 4);
  CHECK(heard == 0);
  CHECK_FALSE(tracking.touches_code(PhysAddr(0x7000), 4));
  tracking.notify(PhysAddr(0x70bf), 1);
  CHECK(heard == 1);
  tracking.set_code_lines(PhysAddr(0x7000), 0);
  CHECK_FALSE(tracking.is_tracked(PhysAddr(0x7000)));
}

TEST_CASE("write_tracking: the protect hook hears of a page once, however many reasons follow") {
  WriteTracking tracking;
  std::vector<u64> protected_pages;
  tracking.set_protect_hook([&](PhysAddr page) { protected_pages.push_back(page.value); });
  tracking.track(PhysAddr(0x5123), TrackReason::DirtyLog);
  tracking.track(PhysAddr(0x5000), TrackReason::PageTable);
  CHECK(protected_pages == std::vector<u64>{0x5000});
  tracking.untrack(PhysAddr(0x5000), TrackReason::DirtyLog);
  CHECK(tracking.is_tracked(PhysAddr(0x5fff)));
  tracking.untrack(PhysAddr(0x5000), TrackReason::PageTable);
  CHECK_FALSE(tracking.is_tracked(PhysAddr(0x5000)));
  tracking.track(PhysAddr(0x5000), TrackReason::Code);
  CHECK(protected_pages.size() == 2);
}

TEST_CASE("write_tracking: code observers hear only of lines that hold code") {
  WriteTracking tracking;
  unsigned told = 0;
  tracking.set_observer(TrackReason::Code, [&](PhysAddr, u64) { ++told; });
  tracking.track_code(PhysAddr(0x7040), 0x41);  // Lines 1 and 2.
  tracking.notify(PhysAddr(0x7000), 64);
  tracking.notify(PhysAddr(0x703f), 1);
  tracking.notify(PhysAddr(0x70c0), 8);
  tracking.notify(PhysAddr(0x7ff8), 8);
  CHECK(told == 0);
  tracking.notify(PhysAddr(0x703f), 2);
  CHECK(told == 1);
  tracking.notify(PhysAddr(0x70bf), 1);
  CHECK(told == 2);
  tracking.notify(PhysAddr(0x7000), 4096);
  CHECK(told == 3);
}

TEST_CASE("write_tracking: many stores beside code end in the whole page's, later and later") {
  WriteTracking tracking;
  unsigned losses = 0;
  tracking.set_observer(TrackReason::Code, [&](PhysAddr address, u64 size) {
    CHECK(address.value == 0x7000);
    CHECK(size == kPageSize);
    ++losses;
    tracking.untrack_code(PhysAddr(0x7000));
  });
  const auto stores_until_loss = [&] {
    tracking.track_code(PhysAddr(0x7040), 16);
    u64 stores = 0;
    for (const unsigned before = losses; losses == before && stores < 1'000'000; ++stores) tracking.notify(PhysAddr(0x7800), 4);
    return stores;
  };
  const u64 first = stores_until_loss();
  CHECK(first > 100);
  CHECK(stores_until_loss() == 2 * first);
  CHECK(stores_until_loss() == 4 * first);
  // Where somebody else tracks the page nothing would be won.
  tracking.track_code(PhysAddr(0x7040), 16);
  tracking.track(PhysAddr(0x7000), TrackReason::Display);
  for (unsigned i = 0; i < 100'000; ++i) tracking.notify(PhysAddr(0x7800), 4);
  CHECK(losses == 3);
}

TEST_CASE("write_tracking: stores that pass beside code count as stores beside code") {
  WriteTracking tracking;
  const PhysAddr line(0x7040), beside(0x7080);
  unsigned losses = 0;
  tracking.set_observer(TrackReason::Code, [&](PhysAddr, u64) { ++losses; });
  CHECK_FALSE(tracking.passes_beside_code(beside, 4));  // Not tracked: nobody has to ask.
  tracking.track_code(line, 16);
  CHECK(tracking.passes_beside_code(beside, 4));
  CHECK_FALSE(tracking.passes_beside_code(line + 32, 4));
  tracking.set_code_query([](PhysAddr address, u64 size) { return address.value < 0x7050 && address.value + size > 0x7040; });
  CHECK(tracking.passes_beside_code(line + 32, 4));
  CHECK_FALSE(tracking.passes_beside_code(line + 12, 8));
  CHECK_FALSE(tracking.passes_beside_code(PhysAddr(0x703e), 4));
  unsigned passed = 0;
  while (passed < 1'000'000 && tracking.passes_beside_code(beside, 4)) ++passed;
  CHECK(passed > 100);
  CHECK(losses == 0);
  tracking.notify(beside, 4);  // The one too many.
  CHECK(losses == 1);
  CHECK(tracking.passes_beside_code(beside, 4));
  tracking.track(PhysAddr(0x7000), TrackReason::Display);
  CHECK_FALSE(tracking.passes_beside_code(beside, 4));
}

TEST_CASE("write_tracking: lines of several blocks add up, and untracking forgets them all") {
  WriteTracking tracking;
  tracking.track_code(PhysAddr(0x7000), 1);
  tracking.track_code(PhysAddr(0x7fff), 1);
  CHECK(tracking.touches_code(PhysAddr(0x7fc0), 1));
  CHECK(tracking.touches_code(PhysAddr(0x703f), 1));
  CHECK_FALSE(tracking.touches_code(PhysAddr(0x7040), 0xf80));
  tracking.untrack_code(PhysAddr(0x7000));
  CHECK_FALSE(tracking.is_tracked(PhysAddr(0x7000)));
  tracking.track_code(PhysAddr(0x7800), 1);
  CHECK_FALSE(tracking.touches_code(PhysAddr(0x7000), 64));
}

TEST_CASE("write_tracking: each reason has its observer, and one may end another's interest") {
  WriteTracking tracking;
  unsigned display = 0;
  tracking.set_observer(TrackReason::Code, [&](PhysAddr page, u64) {
    tracking.untrack_code(page);
    tracking.untrack(page, TrackReason::Display);
  });
  tracking.set_observer(TrackReason::Display, [&](PhysAddr, u64) { ++display; });
  tracking.track_code(PhysAddr(0x1000), 64);
  tracking.track(PhysAddr(0x1000), TrackReason::Display);
  tracking.notify(PhysAddr(0x1800), 4);
  CHECK(display == 1);
  tracking.notify(PhysAddr(0x1000), 4);
  CHECK(display == 1);
  CHECK_FALSE(tracking.is_tracked(PhysAddr(0x1000)));
}

TEST_CASE("write_tracking: pages beyond MAXPHYADDR are not tracked") {
  WriteTracking tracking;
  tracking.track(PhysAddr(u64{1} << 40), TrackReason::Display);
  tracking.track_code(PhysAddr(u64{1} << 52), 16);
  CHECK_FALSE(tracking.is_tracked(PhysAddr(u64{1} << 40)));
  CHECK_FALSE(tracking.is_tracked(PhysAddr(u64{1} << 52)));
}
