#include <doctest/doctest.h>

#include "tests/support/ide_rig.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

namespace {

using Towards = IdeRig::Towards;

constexpr u8 kActive = 1, kError = 2, kInterrupt = 4;

u8 bmis(IdeRig& rig) { return rig.get_master(2) & 7; }

}  // namespace

TEST_CASE("ide dma: a read fills regions of all sizes, in their order, with one interrupt") {
  IdeRig rig;
  rig.build_table({{0x2'0000, 2}, {0x3'0002, 510}, {0x4'0ffe, 1022}, {0x2'8000, 514}});
  rig.issue(0xc8, 0x1234, 4);
  rig.start_master(Towards::Memory);
  CHECK(bmis(rig) == kActive);
  CHECK(rig.alternate_status() == 0x80);
  rig.clock.run_for(1'000'000);
  CHECK(rig.irq[0].level);
  CHECK(bmis(rig) == kInterrupt);
  CHECK(rig.get(7) == 0x50);
  rig.stop_master();
  CHECK(rig.byte_at(0x2'0000) == 0x34);
  CHECK(rig.byte_at(0x2'0001) == 0x12);
  CHECK(rig.byte_at(0x2'0002) == 0);  // Behind the region.
  CHECK(rig.byte_at(0x3'0002 + 6) == 0x34);
  CHECK(rig.byte_at(0x4'0ffe) == 0x35);
  CHECK(rig.byte_at(0x4'0ffe + 512) == 0x36);
  CHECK(rig.byte_at(0x2'8000 + 2) == 0x37);
  CHECK(rig.irq[0].rises == 1);
  CHECK(rig.ide.sectors_moved() == 4);
  rig.set_master(2, 0x64);
  CHECK(rig.get_master(2) == 0x60);  // The interrupt is gone, the two notes stay.
}

TEST_CASE("ide dma: a count of 0 is 64 KiB, and long transfers go in bounded pieces") {
  IdeRig rig(200'000);
  std::vector<IdeRig::Region> regions;
  for (u32 i = 0; i < 16; ++i) regions.push_back({0x10'0000 + i * 0x1'0000, 0});
  rig.build_table(regions);
  rig.start_master(Towards::Memory);  // Starting first is as good.
  rig.issue48(0x25, 0x1'0000, 2048);
  CHECK(rig.wait() == 0x50);
  CHECK(bmis(rig) == kInterrupt);
  CHECK(rig.medium.largest == IdeDrive::kMostBuffered);
  for (u32 i = 0; i < 2048; i += 100) {
    CHECK(rig.byte_at(0x10'0000 + u64{i} * 512) == (i & 0xff));
    CHECK(rig.byte_at(0x10'0001 + u64{i} * 512) == (i >> 8));
  }
}

TEST_CASE("ide dma: a write carries memory to the disk before it interrupts") {
  IdeRig rig;
  for (u32 i = 0; i < 1024; ++i) rig.memory.write(PhysAddr(0x2'0000 + i), Width::Byte, i * 7);
  rig.build_table({{0x2'0000, 100}, {0x2'0064, 924}});
  rig.issue(0xca, 50, 2);
  rig.start_master(Towards::Drive);
  CHECK(rig.medium.written.empty());
  CHECK(rig.wait() == 0x50);
  CHECK(bmis(rig) == kInterrupt);
  bool equal = true;
  for (u32 i = 0; i < 1024; ++i) {
    equal = equal && rig.medium.at(50 + i / 512, i % 512) == static_cast<u8>(i * 7);
  }
  CHECK(equal);
}

TEST_CASE("ide dma: a table that is longer than the transfer leaves the bus master active") {
  IdeRig rig;
  rig.build_table({{0x2'0000, 512}, {0x3'0000, 512}});
  rig.issue(0xc8, 1, 1);
  rig.start_master(Towards::Memory);
  CHECK(rig.wait() == 0x50);
  CHECK(bmis(rig) == (kInterrupt | kActive));
  rig.stop_master();
  CHECK(bmis(rig) == kInterrupt);
}

TEST_CASE("ide dma: a table that is shorter ends without interrupt, and another one goes on") {
  IdeRig rig;
  rig.build_table({{0x2'0000, 512}});
  rig.issue(0xc8, 1, 2);
  rig.start_master(Towards::Memory);
  rig.clock.run_for(10'000'000);
  CHECK(bmis(rig) == 0);
  CHECK_FALSE(rig.irq[0].level);
  CHECK(rig.alternate_status() == 0x80);
  rig.stop_master();
  rig.build_table({{0x3'0000, 512}});
  rig.start_master(Towards::Memory);
  CHECK(bmis(rig) == kInterrupt);
  CHECK(rig.irq[0].level);
  CHECK(rig.get(7) == 0x50);
  CHECK(rig.byte_at(0x3'0000) == 2);
}

TEST_CASE("ide dma: a stopped bus master moves nothing, and a reset frees the drive") {
  IdeRig rig;
  rig.build_table({{0x2'0000, 512}});
  rig.issue(0xc8, 0x77, 1);
  rig.start_master(Towards::Memory);
  rig.stop_master();
  CHECK(bmis(rig) == 0);
  rig.clock.run_for(10'000'000);
  CHECK(rig.alternate_status() == 0x80);
  CHECK(rig.byte_at(0x2'0000) == 0);
  rig.set_control(0x04);
  rig.set_control(0x00);
  CHECK(rig.wait() == 0x50);
  rig.start_master(Towards::Memory);
  rig.clock.run_for(10'000'000);
  CHECK(rig.byte_at(0x2'0000) == 0);
  CHECK(bmis(rig) == kActive);
}

TEST_CASE("ide dma: nothing moves against the direction or without the master enable bit") {
  IdeRig rig;
  rig.build_table({{0x2'0000, 512}});
  rig.issue(0xc8, 0x77, 1);
  rig.start_master(Towards::Drive);
  rig.clock.run_for(10'000'000);
  CHECK(bmis(rig) == kActive);
  rig.stop_master();
  rig.ide.write_config(4, 2, 0x0001);
  rig.start_master(Towards::Memory);
  CHECK(bmis(rig) == kActive);
  rig.ide.write_config(4, 2, 0x0005);
  CHECK(bmis(rig) == kInterrupt);
  CHECK(rig.byte_at(0x2'0000) == 0x77);
}

TEST_CASE("ide dma: a table outside memory is an error of the bus master") {
  IdeRig rig;
  rig.ports.write(rig.master_port(4), Width::Dword, 0xffff'fff8);
  rig.issue(0xc8, 0x77, 1);
  rig.start_master(Towards::Memory);
  rig.clock.run_for(10'000'000);
  CHECK(bmis(rig) == kError);
  CHECK_FALSE(rig.irq[0].level);
  rig.set_master(2, 0x02);
  CHECK(bmis(rig) == 0);
}

TEST_CASE("ide dma: a bad sector ends the command with UNC and the bus master still active") {
  IdeRig rig;
  rig.medium.bad.insert(0x79);
  rig.build_table({{0x2'0000, 2048}});
  rig.issue(0xc8, 0x77, 4);
  rig.start_master(Towards::Memory);
  CHECK(rig.wait() == 0x51);
  CHECK(rig.get(1) == 0x40);
  CHECK(rig.get(3) == 0x79);
  CHECK(bmis(rig) == (kInterrupt | kActive));
}

TEST_CASE("ide dma: DATA SET MANAGEMENT discards what its entries name") {
  IdeRig rig;
  rig.memory.write(PhysAddr(0x2'0000), Width::Qword, 100 | u64{8} << 48);
  rig.memory.write(PhysAddr(0x2'0010), Width::Qword, 19'999 | u64{1} << 48);
  rig.build_table({{0x2'0000, 512}});
  rig.set(1, 1);
  rig.issue48(0x06, 0, 1);
  rig.start_master(Towards::Drive);
  CHECK(rig.wait() == 0x50);
  CHECK(rig.medium.discarded == std::vector<std::pair<u64, u64>>{{100, 8}, {19'999, 1}});
  rig.stop_master();
  rig.memory.write(PhysAddr(0x2'0010), Width::Qword, 19'999 | u64{2} << 48);
  rig.issue48(0x06, 0, 1);
  rig.start_master(Towards::Drive);
  CHECK(rig.wait() == 0x51);
  CHECK_FALSE(rig.medium.misused);
}
