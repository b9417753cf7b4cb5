// What the controller does with sectors (devices/floppy_transfer.cpp).

#include "devices/floppy_82077.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "tests/unit/devices/floppy_rig.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;
using namespace doppel::test::floppy;

TEST_CASE("floppy: READ DATA brings a sector by DMA") {
  Rig rig;
  rig.start();
  rig.seek(0x0f, 2);
  rig.expect_bytes(512);
  // Cylinder 2, head 1, sector 5: (2 * 2 + 1) * 18 + 4.
  CHECK(rig.run({0x46, 0x04, 2, 1, 5, 2, 18, 0x1b, 0xff}) == Bytes{0x04, 0, 0, 2, 1, 6, 2});
  CHECK(rig.number_at(0) == 94);
  CHECK(rig.number_at(1) == 0);
}

TEST_CASE("floppy: WRITE DATA stores sectors, the last one filled with zeros") {
  Rig rig;
  rig.start();
  for (unsigned i = 0; i < 1024; i += 8) rig.memory.put(kBuffer + i, 0x5a5a5a5a5a5a5a5a);
  rig.offer_bytes(512 + 8);
  CHECK(rig.run({0x45, 0x00, 0, 0, 17, 2, 18, 0x1b, 0xff}) == Bytes{0, 0, 0, 1, 0, 1, 2});
  CHECK(rig.disk.at(16)[0] == 0x5a);
  CHECK(rig.disk.at(16)[511] == 0x5a);
  CHECK(rig.disk.at(17)[7] == 0x5a);
  CHECK(rig.disk.at(17)[8] == 0);
  CHECK(rig.disk.at(18)[0] == 18);
}

TEST_CASE("floppy: with MT a cylinder's second side follows the first") {
  Rig rig;
  rig.start();
  rig.expect_bytes(4 * 512);
  CHECK(rig.run({0xc6, 0x00, 0, 0, 17, 2, 18, 0x1b, 0xff}) == Bytes{0x04, 0, 0, 0, 1, 3, 2});
  for (unsigned i = 0; i < 4; ++i) CHECK(rig.number_at(i) == 16 + i);
  // Terminal count at the end of a side, and of the cylinder (table 5-6).
  rig.expect_bytes(512);
  CHECK(rig.run({0xc6, 0x00, 0, 0, 18, 2, 18, 0x1b, 0xff}) == Bytes{0x00, 0, 0, 0, 1, 1, 2});
  rig.expect_bytes(512);
  CHECK(rig.run({0xc6, 0x04, 0, 1, 18, 2, 18, 0x1b, 0xff}) == Bytes{0x04, 0, 0, 1, 0, 1, 2});
}

TEST_CASE("floppy: EOT without terminal count is the end of the cylinder, an error") {
  Rig rig;
  rig.start();
  rig.expect_bytes(8 * 512);
  CHECK(rig.run({0x46, 0x00, 0, 0, 17, 2, 18, 0x1b, 0xff}) == Bytes{0x40, 0x80, 0, 1, 0, 1, 2});
  CHECK(rig.number_at(1) == 17);
  CHECK(rig.number_at(2) == 0);
}

TEST_CASE("floppy: a sector takes its time, so others run meanwhile") {
  Rig rig;
  rig.start();
  rig.expect_bytes(18 * 512);
  rig.send({0x46, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff});
  CHECK(rig.get(kMsr) == 0x10);
  rig.clock.run_for(150'000);
  CHECK(rig.get(kMsr) == 0x10);
  CHECK(rig.number_at(2) == 2);
  CHECK(rig.number_at(4) == 0);
  rig.clock.run_for(400'000);
  CHECK(rig.get(kMsr) == 0xd0);
}

TEST_CASE("floppy: what cannot be found says why") {
  Rig rig;
  rig.start();
  rig.expect_bytes(512);
  const u8 abnormal = 0x40;
  // Another cylinder, a sector beyond the track, sector 0, a wrong size, a wrong side.
  CHECK(rig.run({0x46, 0, 3, 0, 1, 2, 18, 27, 255}) == Bytes{abnormal, 4, 0x10, 3, 0, 1, 2});
  CHECK(rig.run({0x46, 0, 0, 0, 19, 2, 36, 27, 255}) == Bytes{abnormal, 4, 0, 0, 0, 19, 2});
  CHECK(rig.run({0x46, 0, 0, 0, 0, 2, 18, 27, 255}) == Bytes{abnormal, 4, 0, 0, 0, 0, 2});
  CHECK(rig.run({0x46, 0, 0, 0, 1, 3, 18, 27, 255}) == Bytes{abnormal, 4, 0, 0, 0, 1, 3});
  CHECK(rig.run({0x46, 0, 0, 1, 1, 2, 18, 27, 255}) == Bytes{abnormal, 4, 0, 0, 1, 1, 2});
  // Single density, the wrong rate, beyond the last cylinder, no disk, no drive.
  CHECK(rig.run({0x06, 0, 0, 0, 1, 2, 18, 27, 255})[1] == 1);
  rig.set_rate(2);
  CHECK(rig.run({0x4a, 0})[1] == 1);
  rig.set(kDsr, 0);
  CHECK(rig.run({0x4a, 0})[1] == 0);
  rig.seek(0x0f, 80);
  CHECK(rig.run({0x46, 0, 80, 0, 1, 2, 18, 27, 255}) == Bytes{abnormal, 1, 0, 80, 0, 1, 2});
  rig.seek(0x07);
  rig.seek(0x07);
  REQUIRE(rig.floppy.insert(0, nullptr));
  CHECK(rig.run({0x46, 0, 0, 0, 1, 2, 18, 27, 255}) == Bytes{abnormal, 1, 0, 0, 0, 1, 2});
  CHECK(rig.run({0x46, 1, 0, 0, 1, 2, 18, 27, 255})[0] == (abnormal | 1));
}

TEST_CASE("floppy: READ ID shows the sectors as they pass") {
  Rig rig;
  rig.start();
  rig.seek(0x0f, 7);
  std::vector<bool> seen(19);
  for (unsigned i = 0; i < 100; ++i) {
    const Bytes id = rig.run({0x4a, 0x04});
    REQUIRE(id.size() == 7);
    CHECK(id[0] == 0x04);
    CHECK(id[3] == 7);
    CHECK(id[4] == 1);
    REQUIRE((id[5] >= 1 && id[5] <= 18));
    CHECK(id[6] == 2);
    seen[id[5]] = true;
    rig.clock.run_for(11'111'111);
  }
  CHECK(std::count(seen.begin(), seen.end(), true) == 18);
}

TEST_CASE("floppy: a write-protected disk is read, not written") {
  Rig rig;
  rig.disk.read_only = true;
  rig.start();
  CHECK((rig.ask({0x04, 0x00})[0] & 0x40) != 0);
  rig.offer_bytes(512);
  CHECK(rig.run({0x45, 0, 0, 0, 1, 2, 18, 27, 255}) == Bytes{0x40, 0x02, 0, 0, 0, 1, 2});
  CHECK(rig.run({0x4d, 0, 2, 18, 0x6c, 0xf6})[1] == 0x02);
  rig.expect_bytes(512);
  CHECK(rig.run({0x46, 0, 0, 0, 1, 2, 18, 27, 255})[0] == 0);
}

TEST_CASE("floppy: DMA that does not answer is an overrun, a host that cannot a data error") {
  Rig rig;
  rig.start();
  out8(rig.dma.byte_ports(), 0x0a, 6);
  CHECK(rig.run({0x46, 0, 0, 0, 1, 2, 18, 27, 255}) == Bytes{0x40, 0x10, 0, 0, 0, 1, 2});
  CHECK(rig.run({0x45, 0, 0, 0, 1, 2, 18, 27, 255})[1] == 0x10);
  CHECK(rig.disk.at(0)[0] == 0);
  rig.disk.broken = true;
  rig.expect_bytes(512);
  CHECK(rig.run({0x46, 0, 0, 0, 1, 2, 18, 27, 255}) == Bytes{0x40, 0x20, 0x20, 0, 0, 1, 2});
  rig.offer_bytes(512);
  CHECK(rig.run({0x45, 0, 0, 0, 1, 2, 18, 27, 255})[1] == 0x20);
}

TEST_CASE("floppy: without DMA each byte has an interrupt") {
  Rig rig;
  rig.start();
  rig.ask({0x03, 0xaf, 0x03});
  rig.send({0x46, 0x00, 0, 0, 17, 2, 18, 0x1b, 0xff});
  CHECK(rig.get(kMsr) == 0x30);
  for (unsigned sector = 16; sector < 18; ++sector) {
    for (unsigned i = 0; i < 512; ++i) {
      const unsigned before = rig.irq.rises;
      if (i == 0) rig.wait();
      REQUIRE(rig.irq.level);
      REQUIRE(rig.get(kMsr) == 0xf0);
      const u8 byte = rig.get(kFifo);
      if (i == 0) CHECK(byte == sector);
      if (i > 0 && i < 511) REQUIRE(rig.irq.rises == before + 1);
    }
    if (sector == 16) CHECK(rig.get(kMsr) == 0x30);
  }
  // There is no terminal count on a PC.
  CHECK(rig.irq.level);
  CHECK(rig.result() == Bytes{0x40, 0x80, 0, 1, 0, 1, 2});
  CHECK_FALSE(rig.irq.level);

  rig.send({0x45, 0x00, 0, 0, 1, 2, 1, 0x1b, 0xff});
  rig.wait();
  for (unsigned i = 0; i < 512; ++i) {
    REQUIRE(rig.get(kMsr) == 0xb0);
    rig.set(kFifo, 0x40 + i % 16);
  }
  CHECK(rig.result()[1] == 0x80);
  CHECK(rig.disk.at(0)[0] == 0x40);
  CHECK(rig.disk.at(0)[511] == 0x4f);
}

TEST_CASE("floppy: FORMAT TRACK fills the sectors it is given IDs for") {
  Rig rig;
  rig.start();
  rig.seek(0x0f, 1);
  for (unsigned i = 0; i < 18; ++i) {
    // Sector 9 gets an ID that an image has no place for.
    rig.memory.put(kBuffer + 4 * i, u64{0x02000101} | (i == 8 ? 200 : 18 - i) << 16, Width::Dword);
  }
  rig.offer_bytes(18 * 4);
  CHECK(rig.run({0x4d, 0x04, 2, 18, 0x6c, 0xf6})[0] == 0x04);
  const unsigned first = 3 * 18;
  for (unsigned sector = 1; sector <= 18; ++sector) {
    CHECK((rig.disk.at(first + sector - 1)[0] == 0xf6) == (sector != 10));
  }
  CHECK(rig.disk.at(first - 1)[511] == 0);
  CHECK(rig.disk.at(first + 18)[511] == 0);
  CHECK(rig.ask({0x0e})[6] == 18);
}

TEST_CASE("floppy: VERIFY reads without moving, up to EOT or by count") {
  Rig rig;
  rig.start();
  CHECK(rig.run({0x56, 0x00, 0, 0, 1, 2, 18, 27, 255}) == Bytes{0, 0, 0, 1, 0, 1, 2});
  CHECK(rig.run({0x56, 0x80, 0, 0, 1, 2, 18, 27, 5}) == Bytes{0, 0, 0, 0, 0, 6, 2});
  CHECK(rig.run({0xd6, 0x80, 0, 0, 1, 2, 18, 27, 36}) == Bytes{4, 0, 0, 1, 0, 1, 2});
  CHECK(rig.run({0x56, 0x80, 0, 0, 1, 2, 18, 27, 19})[0] == 0x40);
  CHECK(rig.run({0x56, 0x00, 0, 0, 1, 2, 19, 27, 255}) == Bytes{0x40, 4, 0, 0, 0, 19, 2});
  rig.disk.broken = true;
  CHECK(rig.run({0x56, 0x00, 0, 0, 1, 2, 18, 27, 255})[1] == 0x20);
}

TEST_CASE("floppy: deleted sectors do not exist, so READ DELETED DATA meets the other kind") {
  Rig rig;
  rig.start();
  rig.expect_bytes(2 * 512);
  CHECK(rig.run({0x4c, 0, 0, 0, 3, 2, 18, 27, 255}) == Bytes{0, 0, 0x40, 0, 0, 4, 2});
  CHECK(rig.number_at(0) == 2);
  rig.expect_bytes(2 * 512);
  CHECK(rig.run({0x6c, 0, 0, 0, 3, 2, 18, 27, 255}) == Bytes{0x40, 0x80, 0x40, 1, 0, 1, 2});
  rig.offer_bytes(512);
  CHECK(rig.run({0x49, 0, 0, 0, 5, 2, 18, 27, 255})[0] == 0);
  CHECK(rig.disk.at(4)[0] == 2);
}

TEST_CASE("floppy: READ TRACK takes sectors from the index on and notes strange IDs") {
  Rig rig;
  rig.start();
  rig.expect_bytes(32 * 512);
  CHECK(rig.run({0x42, 0, 0, 0, 1, 2, 3, 27, 255}) == Bytes{0, 0, 0, 0, 0, 4, 2});
  CHECK(rig.number_at(0) == 0);
  CHECK(rig.number_at(2) == 2);
  CHECK(rig.number_at(3) == 0);
  CHECK(rig.run({0x42, 0, 0, 0, 18, 2, 2, 27, 255})[1] == 0x04);
}

TEST_CASE("floppy: an implied seek moves the head when CONFIGURE asks for it") {
  Rig rig;
  rig.start();
  rig.ask({0x13, 0, 0x57, 0});
  rig.expect_bytes(512);
  CHECK(rig.run({0x46, 0, 3, 0, 1, 2, 18, 27, 255})[0] == 0);
  CHECK(rig.number_at(0) == 108);
  CHECK(rig.ask({0x0e})[0] == 3);
}

TEST_CASE("floppy: a drive of 96 tracks an inch steps twice over a disk of 48") {
  Rig rig;
  Disk small(720);
  rig.floppy.fit(0, FloppyDriveType::Kb1200);
  rig.floppy.insert(0, &small);
  rig.set(kDor, 0x1c);
  rig.wait();
  rig.set_rate(1);
  rig.seek(0x07);
  rig.seek(0x0f, 20);
  CHECK(rig.run({0x4a, 0})[3] == 10);
  rig.expect_bytes(512);
  CHECK(rig.run({0x46, 0, 10, 0, 1, 2, 9, 27, 255})[0] == 0);
  CHECK(rig.number_at(0) == 180);
}

TEST_CASE("floppy: a disk taken out or protected while the processor brings bytes is not written") {
  for (const bool taken_out : {true, false}) {
    Rig rig;
    rig.start();
    rig.ask({0x03, 0xaf, 0x03});
    rig.send({0x45, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff});
    rig.wait();
    for (unsigned i = 0; i < 511; ++i) rig.set(kFifo, 0xee);
    if (taken_out) rig.floppy.insert(0, nullptr);
    rig.disk.read_only = true;
    rig.set(kFifo, 0xee);
    CHECK(rig.result() == Bytes{0x40, static_cast<u8>(taken_out ? 0x01 : 0x02), 0, 0, 0, 1, 2});
    CHECK(rig.disk.at(0)[0] == 0);
  }
}
