#include "mmu/device_memory.h"

#include <doctest/doctest.h>

#include "tests/unit/mmu/test_memory.h"

using namespace doppel;
using namespace doppel::mmu;

namespace {

constexpr u64 kMiB = 1 << 20;
constexpr u64 kWindow = 0xfd00'0000;

/// A machine with 1 MiB of RAM and a card of 2 MiB.
struct Card {
  MachineMemory machine = MachineMemory::create(8 * kMiB).take();
  Pmap pmap{machine, 1024};
  IoMap mmio;
  PhysicalMemory memory{pmap, mmio};
  bool has_ram = pmap.add_ram(PhysAddr(0), kMiB);
  std::unique_ptr<DeviceMemory> card = DeviceMemory::create(memory, 2 * kMiB).take();
};

}  // namespace

TEST_CASE("device_memory: shows the same bytes wherever the window is") {
  Card c;
  unsigned remaps = 0;
  c.memory.set_remap_hook([&] { ++remaps; });
  REQUIRE(c.card->show_at(PhysAddr(kWindow)));
  c.memory.write(PhysAddr(kWindow + 0x1234), Width::Dword, 0xcafe'f00d);
  CHECK(c.card->bytes()[0x1234] == 0x0d);
  REQUIRE(c.card->show_at(PhysAddr(kWindow + 2 * kMiB)));
  CHECK(c.memory.read(PhysAddr(kWindow + 2 * kMiB + 0x1234), Width::Dword) == 0xcafe'f00d);
  CHECK(c.memory.read(PhysAddr(kWindow + 0x1234), Width::Dword) == 0xffff'ffff);
  CHECK(remaps == 3);
}

TEST_CASE("device_memory: cannot stand on RAM, and is nowhere then") {
  Card c;
  REQUIRE(c.card->show_at(PhysAddr(kWindow)));
  CHECK_FALSE(c.card->show_at(PhysAddr(0x8'0000)));
  CHECK_FALSE(c.card->base());
  CHECK(c.memory.read(PhysAddr(kWindow), Width::Byte) == 0xff);
  CHECK(c.memory.read(PhysAddr(0x8'0000), Width::Byte) == 0);
}

TEST_CASE("device_memory: a watched page tells its stores until it is unwatched, also after a move") {
  Card c;
  std::vector<u64> told;
  c.card->set_observer([&](u64 page) { told.push_back(page); });
  c.card->watch(3);
  REQUIRE(c.card->show_at(PhysAddr(kWindow)));
  c.memory.write(PhysAddr(kWindow + 0x3008), Width::Byte, 1);
  c.memory.write(PhysAddr(kWindow + 0x4008), Width::Byte, 1);
  CHECK(told == std::vector<u64>{3});
  CHECK_FALSE(c.memory.host_page(PhysAddr(kWindow + 0x3000)).writable);
  CHECK(c.memory.host_page(PhysAddr(kWindow + 0x4000)).writable);
  REQUIRE(c.card->show_at(PhysAddr(kWindow + 2 * kMiB)));
  c.memory.write(PhysAddr(kWindow + 2 * kMiB + 0x3008), Width::Byte, 1);
  CHECK(told == std::vector<u64>{3, 3});
  c.card->unwatch(3);
  c.memory.write(PhysAddr(kWindow + 2 * kMiB + 0x3008), Width::Byte, 2);
  CHECK(told.size() == 2);
  CHECK(c.memory.host_page(PhysAddr(kWindow + 2 * kMiB + 0x3000)).writable);
}

TEST_CASE("device_memory: saves what is not zero, and loads it over whatever was there") {
  Card c;
  c.card->bytes()[5] = 0x55;
  c.card->bytes()[2 * kMiB - 1] = 0xaa;
  std::vector<u8> saved;
  Archive saver = Archive::saver(saved);
  c.card->serialize(saver);
  CHECK(saved.size() < 3 * kPageSize);

  Card d;
  d.card->bytes()[0x9000] = 1;
  Archive loader = Archive::loader(saved);
  d.card->serialize(loader);
  CHECK_FALSE(loader.failed());
  CHECK(d.card->bytes()[5] == 0x55);
  CHECK(d.card->bytes()[2 * kMiB - 1] == 0xaa);
  CHECK(d.card->bytes()[0x9000] == 0);
}

TEST_CASE("device_memory: its frames come out of the machine's quota and go back") {
  MachineMemory machine = MachineMemory::create(8 * kMiB).take();
  Pmap pmap(machine, 600);
  IoMap mmio;
  PhysicalMemory memory(pmap, mmio);
  {
    auto card = DeviceMemory::create(memory, kMiB);
    REQUIRE(card.ok());
    CHECK(card.value()->size() == 2 * kMiB);
    CHECK(pmap.frames_in_use() == 512);
    CHECK_FALSE(DeviceMemory::create(memory, kMiB).ok());
  }
  CHECK(pmap.frames_in_use() == 0);
}
