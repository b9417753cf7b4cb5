#include "mmu/frame_gathering.h"

#include <algorithm>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/mmu/test_mmu.h"

using namespace doppel;
using namespace doppel::mmu;

namespace {

// Every page holds its own number.
struct Numbered : TestMemory {
  Numbered() {
    for (u64 page = 0; page < kRamBytes / kPageSize; ++page) put(page * kPageSize, page);
  }
  std::vector<u8*> hosts(const std::vector<u64>& pages) {
    std::vector<u8*> found;
    for (const u64 page : pages) found.push_back(pmap.resolve(PhysAddr(page << kPageShift)));
    return found;
  }
  bool follow_each_other(const std::vector<u64>& pages) {
    const std::vector<u8*> found = hosts(pages);
    for (size_t i = 1; i < found.size(); ++i) {
      if (found[i] != found[i - 1] + kPageSize) return false;
    }
    return true;
  }
  void check_all() {
    for (u64 page = 0; page < kRamBytes / kPageSize; ++page) REQUIRE(get(page * kPageSize) == page);
  }
};

std::vector<u64> every_third(u64 first, u64 count) {
  std::vector<u64> pages(count);
  for (u64 i = 0; i < count; ++i) pages[i] = first + 3 * i;
  return pages;
}

}  // namespace

TEST_CASE("frame_gathering: pages come to follow each other, and hold what they held") {
  Numbered memory;
  const std::vector<u64> pages = {40, 7, 300, 8, 1000};
  const std::vector<u8*> before = memory.hosts(pages);
  const u64 in_use = memory.pmap.frames_in_use();
  const FrameMoves moves = memory.pmap.gathering().gather(before);
  CHECK(memory.follow_each_other(pages));
  const std::vector<u8*> after = memory.hosts(pages);
  for (size_t i = 0; i < pages.size(); ++i) {
    CHECK(moves.follow(reinterpret_cast<u64>(before[i])) == reinterpret_cast<u64>(after[i]));
  }
  CHECK(moves.follow(reinterpret_cast<u64>(memory.hosts({41})[0])) == reinterpret_cast<u64>(memory.hosts({41})[0]));
  memory.check_all();
  CHECK(memory.pmap.frames_in_use() == in_use);
  CHECK(memory.pmap.gathering().gather(after).empty());
}

TEST_CASE("frame_gathering: pages that follow each other already stay") {
  Numbered memory;
  CHECK(memory.pmap.gathering().gather(memory.hosts({512, 513, 514})).empty());
}

TEST_CASE("frame_gathering: an array that grows moves its new pages only") {
  Numbered memory;
  memory.pmap.gathering().gather(memory.hosts({5, 9, 2}));
  const std::vector<u8*> first = memory.hosts({5, 9, 2});
  memory.pmap.gathering().gather(memory.hosts({5, 9, 2, 77, 70}));
  CHECK(memory.follow_each_other({5, 9, 2, 77, 70}));
  CHECK(memory.hosts({5, 9, 2}) == first);
  memory.check_all();
}

TEST_CASE("frame_gathering: pages that are to stand in another order do") {
  Numbered memory;
  memory.pmap.gathering().gather(memory.hosts({5, 9, 2, 30}));
  memory.pmap.gathering().gather(memory.hosts({30, 9, 5}));
  CHECK(memory.follow_each_other({30, 9, 5}));
  memory.pmap.gathering().gather(memory.hosts({2, 9, 31}));
  CHECK(memory.follow_each_other({2, 9, 31}));
  memory.check_all();
}

TEST_CASE("frame_gathering: who has to make room goes home") {
  Numbered memory;
  constexpr u64 kCount = FrameGathering::kMostPages;
  const std::vector<u64> first = {3900, 3500, 3700};
  const std::vector<u8*> home = memory.hosts(first);
  memory.pmap.gathering().gather(home);
  CHECK(memory.hosts(first) != home);
  for (u64 start = 0; start < 3; ++start) {
    const std::vector<u64> pages = every_third(start, kCount);
    memory.pmap.gathering().gather(memory.hosts(pages));
    CHECK(memory.follow_each_other(pages));
    memory.check_all();
  }
  CHECK(memory.hosts(first) != home);
  // The other way round they have to stand somewhere else.
  for (u64 start = 0; start < 2; ++start) {
    std::vector<u64> pages = every_third(start, kCount);
    std::reverse(pages.begin(), pages.end());
    memory.pmap.gathering().gather(memory.hosts(pages));
    CHECK(memory.follow_each_other(pages));
    memory.check_all();
  }
  CHECK(memory.hosts(first) == home);
}

TEST_CASE("frame_gathering: refuses what is not RAM, too much, and when machine memory is used up") {
  Numbered memory;
  const u8 rom[kPageSize] = {1};
  REQUIRE(memory.pmap.add_rom(PhysAddr(0xffff'0000), rom, sizeof rom).ok());
  std::vector<u8*> pages = memory.hosts({3, 9});
  pages.push_back(memory.pmap.resolve(PhysAddr(0xffff'0000)));
  CHECK(memory.pmap.gathering().gather(pages).empty());
  CHECK(memory.pmap.gathering().gather(memory.hosts(every_third(0, FrameGathering::kMostPages + 1))).empty());
  TestMemory small(TestMemory::kRamBytes);
  u8* const some[] = {small.pmap.resolve(PhysAddr(0)), small.pmap.resolve(PhysAddr(0x5000))};
  CHECK(small.pmap.gathering().gather(some).empty());
  CHECK(small.pmap.resolve(PhysAddr(0)) == some[0]);
}

TEST_CASE("frame_gathering: all frames come back") {
  MachineMemory machine = MachineMemory::create(64 << 20).take();
  {
    Pmap pmap(machine, 1 << 20);
    pmap.add_ram(PhysAddr(0), 4 << 20);
    u8* const pages[] = {pmap.resolve(PhysAddr(0x9000)), pmap.resolve(PhysAddr(0x20'0000))};
    CHECK_FALSE(pmap.gathering().gather(pages).empty());
    CHECK(machine.free_frames() < machine.total_frames());
  }
  CHECK(machine.free_frames() == machine.total_frames());
}

TEST_CASE("frame_gathering: loads and stores find gathered pages, of each class and through other addresses") {
  TestMmu test(PagingMode::Level4);
  const u64 physical[] = {0x50'0000, 0x30'0000, 0x40'0000};
  for (u64 i = 0; i < 3; ++i) {
    test.map(0x10'0000 + i * kPageSize, physical[i] | kAll);
    test.map(0x20'0000 + i * 3 * kPageSize, physical[i] | kAll);
    CHECK(test.mmu.write<u32>(LinearAddr(0x10'0000 + i * kPageSize), static_cast<u32>(i + 1)).ok());
    CHECK(test.read(0x20'0000 + i * 3 * kPageSize) == i + 1);
  }
  const auto rights = Mmu::PrivilegeClass::Supervisor;
  CHECK(test.mmu.gather(rights, Access::Write, LinearAddr(0x10'1000), 2) == kPageSize);
  CHECK(test.mmu.gather(rights, Access::Write, LinearAddr(0x10'1000), 3) == 3 * kPageSize);
  CHECK(test.mmu.gather(rights, Access::Write, LinearAddr(0x15'0000), 3) == 0);
  for (u64 i = 0; i < 3; ++i) {
    const LinearAddr address(0x10'0000 + i * kPageSize);
    u8* const host = test.mmu.active().find(Access::Write, address, 4);
    CHECK(host == test.pmap.resolve(PhysAddr(physical[i])));
    CHECK(host == test.mmu.active().find(Access::Read, LinearAddr(0x20'0000 + i * 3 * kPageSize), 4));
    CHECK(test.mmu.write<u32>(address, static_cast<u32>(i + 11)).ok());
    CHECK(test.read(0x20'0000 + i * 3 * kPageSize) == i + 11);
    CHECK(test.get(physical[i], Width::Dword) == i + 11);
  }
}
