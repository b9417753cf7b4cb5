#include <doctest/doctest.h>

#include "frontend/trace_log.h"

namespace doppel::frontend {
namespace {

TEST_CASE("trace_log: filters read A+LENGTH, A-LENGTH and A..B, ends included") {
  const auto ranges = parse_filter("0x1000+0x10,0x2000-0x10,0x3000..0x3fff");
  REQUIRE(ranges.ok());
  REQUIRE(ranges.value().size() == 3);
  CHECK(ranges.value()[0].first == 0x1000);
  CHECK(ranges.value()[0].last == 0x100f);
  CHECK(ranges.value()[1].first == 0x1ff1);
  CHECK(ranges.value()[1].last == 0x2000);
  CHECK(ranges.value()[2].last == 0x3fff);
}

TEST_CASE("trace_log: filters at the ends of the address space do not wrap") {
  const auto ranges = parse_filter("0xffffffffffffff00+0x1000,0x10-0x1000");
  REQUIRE(ranges.ok());
  CHECK(ranges.value()[0].last == ~u64{0});
  CHECK(ranges.value()[1].first == 0);
}

TEST_CASE("trace_log: malformed filters are refused") {
  for (const char* const text : {"", "0x1000", "0x1000+", "+5", "5..1", "1+0", "a..b"}) {
    CHECK_FALSE(parse_filter(text).ok());
  }
}

}  // namespace
}  // namespace doppel::frontend
