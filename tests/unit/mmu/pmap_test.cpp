#include "mmu/pmap.h"

#include <cstring>

#include <doctest/doctest.h>

#include "cpu/arch/paging.h"
#include "tests/unit/mmu/test_memory.h"

using namespace doppel;
using namespace doppel::mmu;

namespace {

constexpr u64 kMiB = 1 << 20;

}  // namespace

TEST_CASE("pmap: refuses RAM that overlaps, is not page-aligned, or lies beyond MAXPHYADDR") {
  MachineMemory machine = MachineMemory::create(2 * kMiB).take();
  Pmap pmap(machine, 512);
  CHECK(pmap.add_ram(PhysAddr(0), 0xa0000));
  CHECK_FALSE(pmap.add_ram(PhysAddr(0x9f000), 0x2000));
  CHECK_FALSE(pmap.add_ram(PhysAddr(0x100800), 0x1000));
  CHECK_FALSE(pmap.add_ram(PhysAddr(0x100000), 0x800));
  CHECK_FALSE(pmap.add_ram(PhysAddr(0x100000), 0));
  CHECK_FALSE(pmap.add_ram(PhysAddr(u64{1} << kMaxPhysBits), 0x1000));
  CHECK_FALSE(pmap.add_ram(PhysAddr((u64{1} << kMaxPhysBits) - 0x1000), 0x2000));
  CHECK(pmap.ram_bytes() == 0xa0000);
  CHECK(pmap.end() == PhysAddr(0xa0000));
}

TEST_CASE("pmap: frames arrive on first touch, a whole run where 2 MiB are untouched") {
  MachineMemory machine = MachineMemory::create(16 * kMiB).take();
  Pmap pmap(machine, 4096);
  CHECK(pmap.add_ram(PhysAddr(0), 0xa0000));
  CHECK(pmap.add_ram(PhysAddr(0x100000), 7 * kMiB));
  CHECK(pmap.frames_in_use() == 0);
  CHECK(pmap.peek(PhysAddr(0x5000)) == nullptr);
  CHECK(pmap.lookup(PhysAddr(0x5000)).state == PageState::Untouched);
  u8* low = pmap.resolve(PhysAddr(0x5123));
  REQUIRE(low != nullptr);
  CHECK(pmap.frames_in_use() == 1);  // The hole at A0000h breaks the first run.
  u8* high = pmap.resolve(PhysAddr(0x200000));
  CHECK(pmap.frames_in_use() == 513);
  CHECK(reinterpret_cast<u64>(high) % (2 * kMiB) == 0);
  CHECK(pmap.resolve(PhysAddr(0x3ff000)) == high + 0x1ff000);
  CHECK(pmap.resolve(PhysAddr(0xa0000)) == nullptr);
  CHECK(pmap.resolve(PhysAddr(0x8000'0000)) == nullptr);
  CHECK_FALSE(pmap.out_of_memory());
}

TEST_CASE("pmap: a used-up quota gives null and says so, and what was there stays") {
  MachineMemory machine = MachineMemory::create(16 * kMiB).take();
  Pmap pmap(machine, 3);
  CHECK(pmap.add_ram(PhysAddr(0), 8 * kMiB));
  for (u64 page = 0; page < 3; ++page) CHECK(pmap.resolve(PhysAddr(page << 12)) != nullptr);
  CHECK_FALSE(pmap.out_of_memory());
  CHECK(pmap.resolve(PhysAddr(0x3000)) == nullptr);
  CHECK(pmap.out_of_memory());
  CHECK(pmap.resolve(PhysAddr(0x1000)) != nullptr);
  CHECK(pmap.frames_in_use() == 3);
}

TEST_CASE("pmap: an empty pool ends as an empty quota does") {
  MachineMemory machine = MachineMemory::create(2 * kMiB).take();
  Pmap pmap(machine, 100000);
  CHECK(pmap.add_ram(PhysAddr(0), 8 * kMiB));
  CHECK(pmap.resolve(PhysAddr(0)) != nullptr);
  CHECK(pmap.resolve(PhysAddr(4 * kMiB)) == nullptr);
  CHECK(pmap.out_of_memory());
}

TEST_CASE("pmap: gives every frame back when it ends") {
  MachineMemory machine = MachineMemory::create(16 * kMiB).take();
  const u64 before = machine.free_frames();
  {
    Pmap pmap(machine, 100000);
    CHECK(pmap.add_ram(PhysAddr(0), 8 * kMiB));
    const u8 rom[5000] = {1};
    CHECK(pmap.add_rom(PhysAddr(0xffff'e000), rom, sizeof rom).ok());
    CHECK(pmap.alias_rom(PhysAddr(0xe0'0000), PhysAddr(0xffff'e000), 0x2000));
    CHECK(pmap.set_rom_shadow(PhysAddr(0xe0'0000), 0x1000, RomShadow::Ram));
    pmap.resolve(PhysAddr(0x1000));
    pmap.resolve(PhysAddr(4 * kMiB));
    CHECK(machine.free_frames() < before);
  }
  CHECK(machine.free_frames() == before);
}

TEST_CASE("pmap: a ROM is padded with ones and its alias shows the same frames") {
  MachineMemory machine = MachineMemory::create(2 * kMiB).take();
  Pmap pmap(machine, 512);
  const u8 rom[] = {1, 2, 3};
  REQUIRE(pmap.add_rom(PhysAddr(0xffff'f000), rom, sizeof rom).ok());
  const u8* bytes = pmap.peek(PhysAddr(0xffff'f000));
  REQUIRE(bytes != nullptr);
  CHECK(bytes[2] == 3);
  CHECK(bytes[3] == 0xff);
  CHECK(bytes[4095] == 0xff);
  CHECK(pmap.alias_rom(PhysAddr(0xff000), PhysAddr(0xffff'f000), 0x1000));
  CHECK(pmap.peek(PhysAddr(0xff000)) == bytes);
  CHECK(pmap.resolve_for_store(PhysAddr(0xff000)) == nullptr);
  CHECK_FALSE(pmap.add_rom(PhysAddr(0xff000), rom, sizeof rom).ok());
  CHECK_FALSE(pmap.alias_rom(PhysAddr(0x1000), PhysAddr(0x2000), 0x1000));
  CHECK_FALSE(pmap.add_rom(PhysAddr(0x1000), rom, 0).ok());
}

TEST_CASE("pmap: a ROM too large for the quota changes nothing") {
  MachineMemory machine = MachineMemory::create(2 * kMiB).take();
  Pmap pmap(machine, 1);
  const std::vector<u8> rom(0x2000);
  CHECK_FALSE(pmap.add_rom(PhysAddr(0x10000), rom.data(), rom.size()).ok());
  CHECK(pmap.lookup(PhysAddr(0x10000)).state == PageState::Absent);
}

TEST_CASE(
    "pmap: shadow RAM starts as the ROM's bytes, takes stores only when open, and leaves the chip "
    "alone") {
  MachineMemory machine = MachineMemory::create(2 * kMiB).take();
  Pmap pmap(machine, 512);
  const u8 rom[] = {1, 2, 3};
  REQUIRE(pmap.add_rom(PhysAddr(0xf0000), rom, sizeof rom).ok());
  CHECK_FALSE(pmap.set_rom_shadow(PhysAddr(0xf0000), 0x2000, RomShadow::Ram));
  CHECK(pmap.lookup(PhysAddr(0xf0000)).state == PageState::ReadOnly);
  REQUIRE(pmap.set_rom_shadow(PhysAddr(0xf0000), 0x1000, RomShadow::Ram));
  u8* ram = pmap.resolve_for_store(PhysAddr(0xf0000));
  REQUIRE(ram != nullptr);
  CHECK(ram[1] == 2);
  ram[1] = 77;
  CHECK(pmap.set_rom_shadow(PhysAddr(0xf0000), 0x1000, RomShadow::ReadOnlyRam));
  CHECK(pmap.resolve_for_store(PhysAddr(0xf0000)) == nullptr);
  CHECK(pmap.peek(PhysAddr(0xf0000))[1] == 77);
  CHECK(pmap.set_rom_shadow(PhysAddr(0xf0000), 0x1000, RomShadow::Rom));
  CHECK(pmap.peek(PhysAddr(0xf0000))[1] == 2);
}

namespace {

// The layout that the save and load tests agree on.
struct SavedMachine {
  SavedMachine() : machine(MachineMemory::create(32 * kMiB).take()), pmap(machine, 100000) {
    const u8 rom[] = {9, 8, 7};
    pmap.add_ram(PhysAddr(0), 0xa0000);
    pmap.add_ram(PhysAddr(0x200000), 4 * kMiB);
    CHECK(pmap.add_rom(PhysAddr(0xf0000), rom, sizeof rom).ok());
  }
  MachineMemory machine;
  Pmap pmap;
};

}  // namespace

TEST_CASE("pmap: what is saved is loaded exactly, and pages not saved become zeros") {
  SavedMachine before;
  before.pmap.resolve(PhysAddr(0x3000))[17] = 0x5a;
  before.pmap.resolve(PhysAddr(0x5ff000))[4095] = 0xa5;
  CHECK(before.pmap.set_rom_shadow(PhysAddr(0xf0000), 0x1000, RomShadow::Ram));
  before.pmap.resolve(PhysAddr(0xf0000))[2] = 0x33;
  std::vector<u8> saved;
  Archive saver = Archive::saver(saved);
  before.pmap.serialize(saver);
  CHECK(saved.size() < 5 * 4096);  // Three pages; the zeros around them are not stored.

  SavedMachine after;
  after.pmap.resolve(PhysAddr(0x4000))[0] = 1;
  after.pmap.resolve(PhysAddr(0x3000))[0] = 1;
  Archive loader = Archive::loader(saved);
  after.pmap.serialize(loader);
  CHECK_FALSE(loader.failed());
  CHECK(loader.at_end());
  CHECK(after.pmap.lookup(PhysAddr(0x4000)).state == PageState::Untouched);
  CHECK(after.pmap.peek(PhysAddr(0x3000))[0] == 0);
  CHECK(after.pmap.peek(PhysAddr(0x3000))[17] == 0x5a);
  CHECK(after.pmap.peek(PhysAddr(0x5ff000))[4095] == 0xa5);
  CHECK(after.pmap.peek(PhysAddr(0xf0000))[2] == 0x33);
  CHECK(after.pmap.lookup(PhysAddr(0xf0000)).state == PageState::Present);

  std::vector<u8> again;
  Archive second = Archive::saver(again);
  after.pmap.serialize(second);
  CHECK(again == saved);
}

TEST_CASE("pmap: loading into another layout or from damaged bytes fails with a reason") {
  SavedMachine before;
  before.pmap.resolve(PhysAddr(0x5ff000))[1] = 1;
  std::vector<u8> saved;
  Archive saver = Archive::saver(saved);
  before.pmap.serialize(saver);

  MachineMemory machine = MachineMemory::create(2 * kMiB).take();
  Pmap small(machine, 512);
  CHECK(small.add_ram(PhysAddr(0), 0xa0000));
  Archive into_small = Archive::loader(saved);
  small.serialize(into_small);
  CHECK(into_small.error().find("0x5ff000") != std::string::npos);

  for (const size_t length : {size_t{0}, size_t{8}, size_t{16}, size_t{100}, saved.size() - 1}) {
    SavedMachine after;
    Archive loader = Archive::loader(std::span(saved).first(length));
    after.pmap.serialize(loader);
    CHECK(loader.failed());
  }
}
