#include "mmu/fetch_ids.h"

#include <set>

#include <doctest/doctest.h>

using namespace doppel;
using namespace doppel::mmu;

TEST_CASE("fetch_ids: a pair has one number, which is no other pair's") {
  FetchIds ids;
  std::set<u32> given;
  for (u64 i = 0; i < 5000; ++i) {
    const u32 id = ids.id(LinearAddr(i << kPageShift), PhysAddr((i % 7) << kPageShift));
    CHECK(id != 0);
    CHECK(given.insert(id).second);
  }
  CHECK(given.insert(ids.id(LinearAddr(0), PhysAddr(0x1000))).second);
  for (u64 i = 0; i < 5000; ++i) {
    CHECK(given.contains(ids.id(LinearAddr(i << kPageShift), PhysAddr((i % 7) << kPageShift))));
  }
  CHECK(ids.size() == 5001);
}

TEST_CASE("fetch_ids: the table stays bounded and gives no number twice") {
  FetchIds ids;
  const u32 first = ids.id(LinearAddr(0x1000), PhysAddr(0x1000));
  u32 last = first;
  bool grows = true;
  for (u64 i = 0; i <= FetchIds::kMostPairs; ++i) {
    const u32 id = ids.id(LinearAddr(0x1000'0000 + (i << kPageShift)), PhysAddr(0));
    grows = grows && id > last;
    last = id;
  }
  CHECK(grows);
  CHECK(ids.size() < FetchIds::kMostPairs);
  CHECK(ids.id(LinearAddr(0x1000), PhysAddr(0x1000)) == last + 1);
}

TEST_CASE("fetch_ids: when all numbers were given, new pairs have none") {
  FetchIds ids;
  ids.skip_to(0xffff'fffe);
  CHECK(ids.id(LinearAddr(0x1000), PhysAddr(0x1000)) == 0xffff'ffff);
  CHECK(ids.id(LinearAddr(0x2000), PhysAddr(0x1000)) == 0);
  CHECK(ids.id(LinearAddr(0x1000), PhysAddr(0x1000)) == 0xffff'ffff);
}
