#include "jit/code_cache.h"

#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include <doctest/doctest.h>

#include "cpu/base/address.h"

namespace doppel::jit {
namespace {

TEST_CASE("code_cache: what is written through one view runs through the other") {
  CodeCache cache;
  REQUIRE(cache.map(4u << 20).ok());
  const size_t at = CodeCache::kStubBytes + 64;
  const u8 code[] = {0xb8, 0x2a, 0x00, 0x00, 0x00, 0xc3};  // mov eax, 42; ret
  std::copy(std::begin(code), std::end(code), cache.writable(at));
  CHECK(reinterpret_cast<int (*)()>(cache.address(at))() == 42);
  *cache.writable(at + 1) = 0x2b;
  CHECK(reinterpret_cast<int (*)()>(cache.address(at))() == 43);
}

TEST_CASE("code_cache: no page of it may be written and run") {
  CodeCache cache;
  REQUIRE(cache.map(4u << 20).ok());
  std::ifstream maps("/proc/self/maps");
  unsigned seen = 0;
  for (std::string line; std::getline(maps, line);) {
    if (line.find("doppel-code") == std::string::npos) continue;
    ++seen;
    const std::string rights = line.substr(line.find(' ') + 1, 4);
    const bool is_one_of_two = rights == "rw-s" || rights == "r-xs";
    CAPTURE(line);
    CHECK(is_one_of_two);
  }
  CHECK(seen >= 2);
}

TEST_CASE("code_cache: addresses and offsets lead back to each other") {
  CodeCache cache;
  REQUIRE(cache.map(4u << 20).ok());
  CHECK(cache.offset_of(cache.address(0x12345)) == 0x12345);
  CHECK(cache.contains(cache.address(0)));
  CHECK(cache.contains(cache.address(cache.size() - 1)));
  CHECK_FALSE(cache.contains(cache.address(cache.size())));
  CHECK_FALSE(cache.contains(cache.address(0) - 1));
  CHECK_FALSE(cache.contains(reinterpret_cast<u64>(cache.writable(0))));
}

TEST_CASE("code_cache: a region is handed out to its end, then the next, then the first again") {
  CodeCache cache;
  REQUIRE(cache.map(size_t{1} << 20).ok());
  CHECK(cache.position() == CodeCache::kStubBytes);
  std::set<unsigned> regions;
  for (unsigned turn = 0; turn < CodeCache::kRegions; ++turn) {
    const size_t begin = cache.position();
    const unsigned region = cache.region_of(begin);
    CHECK(region == turn);
    regions.insert(region);
    CHECK(cache.has_room(cache.region_bytes()));
    CHECK_FALSE(cache.has_room(cache.region_bytes() + 1));
    cache.take(cache.region_bytes() - 100);
    CHECK(cache.region_of(cache.position()) == region);
    CHECK(cache.has_room(90));
    CHECK_FALSE(cache.has_room(101));
    cache.next_region();
  }
  CHECK(regions.size() == CodeCache::kRegions);
  CHECK(cache.position() == CodeCache::kStubBytes);
  CHECK(cache.region_of(cache.size() - 1) == CodeCache::kRegions - 1);
}

TEST_CASE("code_cache: blocks begin at multiples of 16") {
  CodeCache cache;
  REQUIRE(cache.map(4u << 20).ok());
  const size_t begin = cache.position();
  cache.take(1);
  CHECK(cache.position() == begin + 16);
  cache.take(16);
  CHECK(cache.position() == begin + 32);
  cache.reset();
  CHECK(cache.position() == begin);
}

TEST_CASE("code_cache: a region always has room for the largest block") {
  CodeCache cache;
  REQUIRE(cache.map(0).ok());
  CHECK(cache.region_bytes() >= 64 * 1024);
  CHECK(cache.has_room(64 * 1024));
}

}  // namespace
}  // namespace doppel::jit
