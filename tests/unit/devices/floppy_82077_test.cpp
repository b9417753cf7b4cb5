#include "devices/floppy_82077.h"

#include <doctest/doctest.h>

#include <random>
#include <vector>

#include "tests/unit/devices/floppy_rig.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;
using namespace doppel::test::floppy;

TEST_CASE("floppy: the size of a disk tells its geometry, other sizes are no disk") {
  const u64 sizes[] = {320, 360, 640, 720, 1440, 2400, 2880, 5760};
  const u8 tracks[] = {8, 9, 8, 9, 9, 15, 18, 36};
  for (unsigned i = 0; i < 8; ++i) {
    const std::optional<FloppyGeometry> geometry = floppy_geometry(sizes[i]);
    REQUIRE(geometry);
    CHECK(geometry->sectors() == sizes[i]);
    CHECK(geometry->sectors_per_track == tracks[i]);
  }
  for (const u64 other : {u64{0}, u64{1}, u64{2879}, u64{2881}, ~u64{0}}) {
    CHECK_FALSE(floppy_geometry(other));
  }
}

TEST_CASE("floppy: a drive takes what fits, an empty bay gets the disk's drive") {
  Rig rig;
  Disk small(1440), dense(2400), odd(100);
  CHECK(rig.floppy.cmos_drive_types() == 0);
  CHECK_FALSE(rig.floppy.insert(0, &odd));
  CHECK(rig.floppy.insert(0, &rig.disk));
  CHECK(rig.floppy.cmos_drive_types() == 0x40);
  CHECK(rig.floppy.insert(0, &small));
  CHECK_FALSE(rig.floppy.insert(0, &dense));
  CHECK(rig.floppy.cmos_drive_types() == 0x40);
  rig.floppy.fit(1, FloppyDriveType::Kb1200);
  CHECK(rig.floppy.insert(1, &dense));
  CHECK(rig.floppy.cmos_drive_types() == 0x42);
  CHECK_FALSE(rig.floppy.insert(2, &rig.disk));
}

TEST_CASE("floppy: held in reset it says nothing, after it four drives report with one interrupt") {
  Rig rig;
  CHECK(rig.get(kDor) == 0);
  CHECK(rig.get(kMsr) == 0);
  rig.set(kFifo, 0x10);
  rig.set(kDor, 0x0c);
  CHECK(rig.irq.rises == 0);
  rig.wait();
  CHECK(rig.irq.rises == 1);
  CHECK(rig.get(kMsr) == 0x80);
  for (unsigned i = 0; i < 4; ++i) {
    CHECK(rig.ask({0x08}) == Bytes{static_cast<u8>(0xc0 | i), 0});
    CHECK_FALSE(rig.irq.level);
  }
  CHECK(rig.ask({0x08}) == Bytes{0x80});
  // The reset bit of DSR clears itself.
  rig.set(kDsr, 0x82);
  rig.wait();
  CHECK(rig.irq.rises == 2);
  CHECK(rig.ask({0x08}) == Bytes{0xc0, 0});
}

TEST_CASE("floppy: DOR's gate keeps the interrupt from the bus") {
  Rig rig;
  rig.set(kDor, 0x04);
  rig.wait();
  CHECK_FALSE(rig.irq.level);
  rig.set(kDor, 0x0c);
  CHECK(rig.irq.level);
}

TEST_CASE("floppy: is recognized as an 82077AA") {
  Rig rig;
  rig.start();
  CHECK(rig.ask({0x10}) == Bytes{0x90});
  CHECK(rig.ask({0x18}) == Bytes{0x80});  // PART ID came later.
  CHECK(rig.ask({0xff}) == Bytes{0x80});
  CHECK(rig.ask({0x12, 0x81 | 0x04}).empty());
  CHECK(rig.ask({0x13, 0x00, 0x58, 0x05}).empty());
  CHECK(rig.ask({0x94}) == Bytes{0x10});
  CHECK(rig.ask({0x0e}) == Bytes{0, 0, 0, 0, 0xaf, 0x02, 0, 0x85, 0x58, 0x05});
  // A reset takes EIS, POLL, GAP and WGATE back; the lock keeps the rest.
  rig.set(kDsr, 0x80);
  rig.wait();
  CHECK(rig.ask({0x0e}) == Bytes{0, 0, 0, 0, 0xaf, 0x02, 0, 0x84, 0x08, 0x05});
  CHECK(rig.ask({0x14}) == Bytes{0x00});
  rig.set(kDsr, 0x80);
  rig.wait();
  CHECK(rig.ask({0x0e}) == Bytes{0, 0, 0, 0, 0xaf, 0x02, 0, 0x04, 0x20, 0x00});
}

TEST_CASE("floppy: SEEK and RECALIBRATE take time and report to SENSE INTERRUPT STATUS") {
  Rig rig;
  rig.start();
  const unsigned before = rig.irq.rises;
  rig.send({0x0f, 0x00, 5});
  CHECK(rig.get(kMsr) == 0x81);
  CHECK(rig.ask({0x08}) == Bytes{0x80});
  rig.clock.run_for(5'000'000);
  CHECK(rig.irq.rises == before);
  rig.clock.run_for(200'000);
  CHECK(rig.irq.rises == before + 1);
  CHECK(rig.get(kMsr) == 0x80);
  CHECK(rig.ask({0x04, 0x04}) == Bytes{0x2c});
  CHECK(rig.irq.level);  // The seek still waits for its command.
  CHECK(rig.ask({0x08}) == Bytes{0x20, 5});
  CHECK_FALSE(rig.irq.level);
  CHECK(rig.seek(0xcf, 3) == Bytes{0x20, 8});
  CHECK(rig.seek(0x8f, 2) == Bytes{0x20, 6});
  CHECK(rig.seek(0x07) == Bytes{0x20, 0});
  CHECK(rig.ask({0x04, 0x00}) == Bytes{0x38});
}

TEST_CASE("floppy: seeks of two drives overlap and each is told") {
  Rig rig;
  Disk second;
  rig.start();
  REQUIRE(rig.floppy.insert(1, &second));
  rig.send({0x0f, 0x00, 4});
  rig.send({0x0f, 0x01, 4});
  CHECK(rig.get(kMsr) == 0x83);
  const unsigned before = rig.irq.rises;
  rig.wait();
  CHECK(rig.irq.rises == before + 2);
  CHECK(rig.ask({0x08}) == Bytes{0x20, 4});
  CHECK(rig.irq.level);
  CHECK(rig.irq.rises == before + 3);
  CHECK(rig.ask({0x08}) == Bytes{0x21, 4});
  CHECK_FALSE(rig.irq.level);
}

TEST_CASE("floppy: RECALIBRATE finds no track 0 where no drive is") {
  Rig rig;
  rig.start();
  rig.send({0x07, 0x01});
  rig.wait();
  CHECK(rig.ask({0x08}) == Bytes{0x71, 0});
  CHECK(rig.ask({0x04, 0x01}) == Bytes{0x29});
  // From beyond 79 steps it takes two.
  rig.seek(0x0f, 83);
  CHECK(rig.seek(0x07) == Bytes{0x70, 0});
  CHECK(rig.seek(0x07) == Bytes{0x20, 0});
}

TEST_CASE("floppy: the change line is on until the head steps with a disk in") {
  Rig rig;
  CHECK((rig.dir() & 0x80) == 0);  // No drive.
  rig.start();
  CHECK((rig.dir() & 0x80) != 0);  // Recalibrating on track 0 does not step.
  rig.seek(0x0f, 1);
  CHECK((rig.dir() & 0x80) == 0);
  rig.floppy.insert(0, nullptr);
  CHECK((rig.dir() & 0x80) != 0);
  rig.seek(0x0f, 0);
  CHECK((rig.dir() & 0x80) != 0);
  rig.floppy.insert(0, &rig.disk);
  CHECK((rig.dir() & 0x80) != 0);
  rig.seek(0x0f, 1);
  CHECK((rig.dir() & 0x80) == 0);
  rig.set(kDor, 0x1d);  // Drive B is selected, and there is none.
  rig.floppy.insert(0, nullptr);
  CHECK((rig.dir() & 0x80) == 0);
}

TEST_CASE("floppy: a reset ends what is under way") {
  Rig rig;
  rig.start();
  rig.expect_bytes(512);
  rig.send({0x46, 0, 0, 0, 1, 2, 18, 27, 255});
  rig.set(kDor, 0x18);
  const unsigned before = rig.irq.rises;
  rig.wait();
  CHECK(rig.irq.rises == before);
  CHECK(rig.number_at(0) == 0);
  rig.set(kDor, 0x1c);
  rig.wait();
  CHECK(rig.irq.rises == before + 1);
  CHECK(rig.ask({0x08}) == Bytes{0xc0, 0});
  CHECK(rig.seek(0x0f, 3) == Bytes{0x20, 3});  // Before what the reset left.
  CHECK(rig.ask({0x08}) == Bytes{0xc1, 0});
}

TEST_CASE("floppy: TDR and the status registers read as in PC-AT mode") {
  Rig rig;
  CHECK(rig.get(0) == 0xff);
  CHECK(rig.get(1) == 0xff);
  rig.set(kTdr, 0x02);
  CHECK(rig.get(kTdr) == 0xfe);
  CHECK(rig.dir() == 0x7f);
}

TEST_CASE("floppy: a saved controller goes on in the middle of a transfer") {
  Rig rig;
  rig.start();
  rig.ask({0x03, 0xaf, 0x03});
  rig.send({0x46, 0, 0, 0, 1, 2, 2, 27, 255});
  rig.wait();
  CHECK(rig.get(kFifo) == 0);
  for (unsigned i = 1; i < 512; ++i) rig.get(kFifo);
  rig.clock.run_for(10'000);  // Half way to the next sector.

  const auto copy = [&rig](Rig& other) {
    other.floppy.insert(0, &other.disk);
    REQUIRE(load(other.clock.scheduler, saved(rig.clock.scheduler)));
    REQUIRE(load(other.floppy, saved(rig.floppy)));
    CHECK(saved(other.floppy) == saved(rig.floppy));
  };
  Rig between;
  copy(between);
  CHECK(between.get(kMsr) == 0x30);
  between.wait();
  CHECK(between.get(kFifo) == 1);

  rig.wait();
  CHECK(rig.get(kFifo) == 1);
  CHECK(rig.get(kFifo) == 0);
  Rig within;
  copy(within);
  for (unsigned i = 2; i < 512; ++i) {
    REQUIRE(within.get(kMsr) == 0xf0);
    within.get(kFifo);
  }
  CHECK(within.result() == Bytes{0x40, 0x80, 0, 1, 0, 1, 2});

  // Another disk than the one at the time of saving counts as changed.
  Rig swapped;
  Disk other(1440);
  swapped.floppy.insert(0, &other);
  for (unsigned i = 2; i < 512; ++i) rig.get(kFifo);
  rig.result();
  rig.seek(0x0f, 1);
  CHECK((rig.dir() & 0x80) == 0);
  REQUIRE(load(swapped.floppy, saved(rig.floppy)));
  CHECK((swapped.dir() & 0x80) != 0);
}

TEST_CASE("floppy: damaged state is refused or harmless") {
  Rig rig;
  rig.start();
  rig.ask({0x03, 0xaf, 0x03});
  rig.send({0x46, 0, 0, 0, 1, 2, 2, 27, 255});
  rig.wait();
  const std::vector<u8> bytes = saved(rig.floppy);
  std::mt19937 random(2);
  unsigned refused = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i > 100 && i < bytes.size() - 60) continue;  // The sector buffer, mostly.
    for (const u8 value : {u8{0xff}, u8{1}, static_cast<u8>(random())}) {
      std::vector<u8> damaged = bytes;
      damaged[i] = value;
      if (!load(rig.floppy, damaged)) ++refused;
      for (unsigned step = 0; step < 12; ++step) {
        rig.get(kFifo);
        rig.set(kFifo, 0x42);
      }
      rig.wait();
    }
  }
  CHECK(refused > 5);
}

TEST_CASE("floppy: whatever is written to the ports, time goes on and a reset helps") {
  Rig rig;
  Disk second(720);
  rig.start();
  rig.floppy.insert(1, &second);
  std::mt19937 random(3);
  constexpr unsigned kCommands[] = {0x42, 0x45, 0x46, 0xc6, 0xc5, 0x49, 0x4c, 0x6c,
                                    0x4d, 0x4a, 0x56, 0x03, 0x04, 0x07, 0x08, 0x0e,
                                    0x0f, 0xcf, 0x8f, 0x12, 0x13, 0x94, 0x10};
  for (unsigned i = 0; i < 30'000; ++i) {
    const unsigned dice = random() % 64;
    if (dice < 20)
      rig.set(kFifo, dice & 1 ? random() & 3 : random() & 0xff);
    else if (dice < 30)
      rig.set(kFifo, kCommands[random() % std::size(kCommands)]);
    else if (dice < 50)
      rig.get(kFifo);
    else if (dice == 50)
      rig.set(random() % 6, random() & 0xff);
    else if (dice == 51)
      rig.set(kDor, 0x0c | (random() & 0xf3));
    else if (dice == 52)
      rig.set_rate(random() & 3);
    else if (dice == 53)
      rig.floppy.insert(random() & 1, random() & 1 ? &second : nullptr);
    else if (dice == 54)
      rig.floppy.insert(0, &rig.disk);
    else if (dice == 55)
      rig.program_dma(random() & 0xfc, 1 + random() % 0x4000);
    else if (dice < 60)
      rig.clock.run_for(random() % 1'000'000);
    else
      rig.get(random() % 6);
  }
  rig.set(kDor, 0x00);
  rig.floppy.insert(0, &rig.disk);
  rig.set(kDor, 0x1c);
  rig.wait();
  CHECK(rig.ask({0x08}).size() == 2);
  rig.set_rate(0);
  rig.ask({0x03, 0xaf, 0x02});
  rig.seek(0x07);
  rig.seek(0x07);
  rig.expect_bytes(512);
  CHECK(rig.run({0x46, 0, 0, 0, 1, 2, 18, 27, 255})[0] == 0);
  CHECK(rig.clock.scheduler.next_deadline_ns() == Scheduler::kNever);
}
