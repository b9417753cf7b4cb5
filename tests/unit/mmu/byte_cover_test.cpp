#include "mmu/byte_cover.h"

#include <doctest/doctest.h>

using namespace doppel;
using namespace doppel::mmu;

TEST_CASE("byte_cover: knows bytes to the last one, across words and at both ends of the page") {
  for (const u64 begin : {u64{0}, u64{1}, u64{62}, u64{63}, u64{64}, u64{1000}, u64{4000}}) {
    for (const u64 size : {u64{1}, u64{2}, u64{64}, u64{65}, u64{96}}) {
      CAPTURE(begin);
      CAPTURE(size);
      ByteCover cover;
      cover.add(begin, begin + size);
      for (u64 at = 0; at < 4096; ++at) {
        REQUIRE(cover.touches(at, at + 1) == (at >= begin && at < begin + size));
      }
      CHECK(cover.touches(0, 4096));
      CHECK_FALSE(cover.touches(0, begin));
      CHECK_FALSE(cover.touches(begin + size, 4096));
      cover.clear();
      CHECK_FALSE(cover.touches(0, 4096));
    }
  }
}

TEST_CASE("byte_cover: nothing is touched by no bytes") {
  ByteCover cover;
  cover.add(0, 4096);
  CHECK_FALSE(cover.touches(100, 100));
  cover.clear();
  cover.add(7, 7);
  CHECK_FALSE(cover.touches(0, 4096));
}
