#include "mmu/physical_memory.h"

#include <doctest/doctest.h>

#include "tests/unit/mmu/test_memory.h"

using namespace doppel;
using namespace doppel::mmu;
using Seen = RecordingHandler::Seen;

TEST_CASE("physical_memory: untouched RAM reads zeros and costs no frame") {
  TestMemory memory;
  CHECK(memory.get(0x1234) == 0);
  CHECK(memory.pmap.frames_in_use() == 0);
}

TEST_CASE("physical_memory: accesses may cross pages and are little endian") {
  TestMemory memory;
  memory.put(0x1ffd, 0x8877665544332211);
  CHECK(memory.get(0x1ffd) == 0x8877665544332211);
  CHECK(memory.get(0x2000, Width::Byte) == 0x44);
}

TEST_CASE("physical_memory: nothing reads ones and swallows stores") {
  TestMemory memory;
  memory.put(0x8000'0000, 5);
  CHECK(memory.get(0x8000'0000) == ~u64{0});
  CHECK(memory.get(0x8000'0000, Width::Word) == 0xffff);
  CHECK(memory.get(TestMemory::kRamBytes - 2, Width::Dword) == 0xffff0000);
}

TEST_CASE("physical_memory: stores to ROM vanish") {
  TestMemory memory;
  const u8 rom[] = {1, 2, 3, 4};
  REQUIRE(memory.pmap.add_rom(PhysAddr(0xffff'0000), rom, sizeof rom).ok());
  memory.put(0xffff'0000, 0, Width::Dword);
  const u8 zeros[4] = {};
  memory.physical.write_bytes(PhysAddr(0xffff'0000), zeros);
  CHECK(memory.get(0xffff'0000, Width::Dword) == 0x04030201);
  CHECK_FALSE(memory.physical.is_ram(PhysAddr(0xffff'0000)));
  CHECK_FALSE(memory.physical.host_page(PhysAddr(0xffff'0000)).writable);
  CHECK(memory.physical.host_page(PhysAddr(0xffff'0000)).data != nullptr);
}

TEST_CASE("physical_memory: A20 off clears bit 20, also behind a page crossing") {
  TestMemory memory;
  memory.put(0x0, 0x11, Width::Byte);
  memory.put(0xfffff, 0x22, Width::Byte);
  memory.put(0x100000, 0x33, Width::Byte);
  CHECK(memory.get(0xfffff, Width::Word) == 0x3322);
  memory.physical.set_a20(false);
  CHECK(memory.get(0x100000, Width::Byte) == 0x11);
  CHECK(memory.get(0xfffff, Width::Word) == 0x1122);
  CHECK(memory.get(0x300000, Width::Byte) == memory.get(0x200000, Width::Byte));
  CHECK(memory.physical.host_page(PhysAddr(0x100000)).data ==
        memory.physical.host_page(PhysAddr(0)).data);
  u8 two[2];
  memory.physical.read_bytes(PhysAddr(0xfffff), two);
  CHECK(two[1] == 0x11);
}

TEST_CASE("physical_memory: register-sized accesses reach devices, bulk copies do not") {
  TestMemory memory;
  RecordingHandler device;
  REQUIRE(memory.mmio.add(0xfee0'0000, 0x1000, device));
  CHECK(memory.get(0xfee0'0020, Width::Dword) == 0x23222120);
  memory.put(0xfee0'0030, 0x99, Width::Byte);
  CHECK(device.seen == std::vector<Seen>{{false, 0x20, 4, 0}, {true, 0x30, 1, 0x99}});
  u8 bytes[4] = {1, 2, 3, 4};
  memory.physical.write_bytes(PhysAddr(0xfee0'0000), bytes);
  memory.physical.read_bytes(PhysAddr(0xfee0'0000), bytes);
  CHECK(device.seen.size() == 2);
  CHECK(bytes[0] == 0xff);
}

TEST_CASE("physical_memory: bulk copies go over pages and holes") {
  TestMemory memory;
  std::vector<u8> out(3 * 4096), in(3 * 4096);
  for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<u8>(i * 7 + i / 256);
  memory.physical.write_bytes(PhysAddr(0x10800), in);
  memory.physical.read_bytes(PhysAddr(0x10800), out);
  CHECK(out == in);
  std::vector<u8> end(32, 1);
  memory.physical.read_bytes(PhysAddr(TestMemory::kRamBytes - 16), end);
  CHECK(end[15] == 0);
  CHECK(end[16] == 0xff);
}

TEST_CASE(
    "physical_memory: stores to tracked pages are told of after the bytes changed, DMA included") {
  TestMemory memory;
  std::vector<std::pair<u64, u64>> told;
  u64 value_when_told = 0;
  memory.physical.tracking().set_observer(TrackReason::PageTable, [&](PhysAddr address, u64 size) {
    told.emplace_back(address.value, size);
    value_when_told = memory.get(0x5000);
  });
  memory.physical.tracking().track(PhysAddr(0x5000), TrackReason::PageTable);
  memory.put(0x5000, 42);
  CHECK(value_when_told == 42);
  const std::vector<u8> block(0x1800, 3);
  memory.physical.write_bytes(PhysAddr(0x4400), block);
  memory.physical.set_entry_bits(PhysAddr(0x5010), Width::Dword, 0x20);
  memory.put(0x4ffe, 0x01020304, Width::Dword);
  CHECK(told == std::vector<std::pair<u64, u64>>{
                    {0x5000, 8}, {0x5000, 0xc00}, {0x5010, 4}, {0x5000, 1}, {0x5001, 1}});
  CHECK_FALSE(memory.physical.host_page(PhysAddr(0x5000)).writable);
  CHECK(memory.physical.host_page(PhysAddr(0x6000)).writable);
}

TEST_CASE("physical_memory: with the quota used up loads give zeros and stores vanish") {
  TestMemory memory(64 << 20, 1);
  memory.put(0x1000, 1);
  memory.put(0x2000, 2);
  CHECK(memory.get(0x1000) == 1);
  CHECK(memory.get(0x2000) == 0);
  CHECK(memory.pmap.out_of_memory());
}

TEST_CASE("physical_memory: A20 and contents survive saving and loading") {
  TestMemory before;
  before.put(0x7000, 0x1122);
  before.physical.set_a20(false);
  std::vector<u8> saved;
  Archive saver = Archive::saver(saved);
  before.physical.serialize(saver);
  TestMemory after;
  Archive loader = Archive::loader(saved);
  after.physical.serialize(loader);
  CHECK_FALSE(loader.failed());
  CHECK_FALSE(after.physical.a20());
  CHECK(after.get(0x7000) == 0x1122);
}
