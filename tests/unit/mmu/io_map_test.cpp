#include "mmu/io_map.h"

#include <doctest/doctest.h>

#include "tests/unit/mmu/test_memory.h"

using namespace doppel;
using namespace doppel::mmu;
using Seen = RecordingHandler::Seen;

TEST_CASE("io_map: refuses a range that overlaps an earlier one") {
  IoMap ports;
  RecordingHandler handler;
  CHECK(ports.add(0x60, 4, handler));
  CHECK_FALSE(ports.add(0x5f, 2, handler));
  CHECK_FALSE(ports.add(0x63, 1, handler));
  CHECK_FALSE(ports.add(0x50, 0x100, handler));
  CHECK(ports.add(0x5f, 1, handler));
  CHECK(ports.add(0x64, 1, handler));
}

TEST_CASE("io_map: refuses empty and wrapping ranges, and accepts the very last byte") {
  IoMap map;
  RecordingHandler handler;
  CHECK_FALSE(map.add(0x10, 0, handler));
  CHECK_FALSE(map.add(~u64{0}, 2, handler));
  CHECK(map.add(~u64{0}, 1, handler));
  CHECK(map.find(~u64{0}).handler == &handler);
}

TEST_CASE("io_map: a removed range answers no more, and only its start names it") {
  IoMap map;
  RecordingHandler handler;
  CHECK(map.add(0x100, 8, handler));
  CHECK_FALSE(map.remove(0x101));
  CHECK(map.find(0x107).offset == 7);
  CHECK(map.remove(0x100));
  CHECK(map.find(0x100).handler == nullptr);
}

TEST_CASE("io_map: overlaps sees ranges that start before, inside and after") {
  IoMap map;
  RecordingHandler handler;
  CHECK(map.add(0x1000, 0x1000, handler));
  CHECK(map.overlaps(0x0, 0x1001));
  CHECK(map.overlaps(0x1fff, 1));
  CHECK_FALSE(map.overlaps(0x2000, 0x1000));
  CHECK_FALSE(map.overlaps(0xfff, 1));
}

TEST_CASE(
    "io_map: an access that leaves its range is split into bytes, and empty bytes read ones") {
  IoMap map;
  RecordingHandler handler;
  CHECK(map.add(0x10, 4, handler));
  CHECK(map.read(0x10, Width::Dword) == 0x03020100);
  CHECK(handler.seen == std::vector<Seen>{{false, 0, 4, 0}});
  handler.seen.clear();
  CHECK(map.read(0x12, Width::Dword) == 0xffff0302);
  CHECK(handler.seen == std::vector<Seen>{{false, 2, 1, 0}, {false, 3, 1, 0}});
  CHECK(map.read(0x40, Width::Word) == 0xffff);
  CHECK(map.read(0x0e, Width::Dword) == 0x0100ffff);
}

TEST_CASE("io_map: a store that leaves its range keeps the bytes in order") {
  IoMap map;
  RecordingHandler handler;
  CHECK(map.add(0x10, 2, handler));
  map.write(0x11, Width::Word, 0xbbaa);
  map.write(0x0f, Width::Word, 0xddcc);
  map.write(0x10, Width::Word, 0xffff1234);
  CHECK(handler.seen ==
        std::vector<Seen>{{true, 1, 1, 0xaa}, {true, 0, 1, 0xdd}, {true, 0, 2, 0x1234}});
}

TEST_CASE("io_map: neighbouring ranges of one handler are still two ranges") {
  IoMap map;
  RecordingHandler handler;
  CHECK(map.add(0x10, 2, handler));
  CHECK(map.add(0x12, 2, handler));
  map.write(0x11, Width::Word, 0x2211);
  CHECK(handler.seen == std::vector<Seen>{{true, 1, 1, 0x11}, {true, 0, 1, 0x22}});
}
