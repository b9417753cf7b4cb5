#include "devices/rtc_mc146818.h"

#include <doctest/doctest.h>

#include <array>
#include <vector>

#include "tests/support/device_rig.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

namespace {

constexpr u64 kMs = 1'000'000;
constexpr u64 kSecond = 1'000 * kMs;
/// 2024-02-28 23:59:58, a Wednesday.
constexpr i64 kBeforeLeapDay = 1709164798;

struct Rig {
  Clock clock;
  Wire irq8;
  RtcMc146818 rtc;

  explicit Rig(i64 start = kBeforeLeapDay) : rtc(clock.scheduler, irq8, start) { rtc.reset(); }
  u8 get(u8 index) {
    out8(rtc.ports(), 0, index);
    return in8(rtc.ports(), 1);
  }
  void set(u8 index, u8 value) {
    out8(rtc.ports(), 0, index);
    out8(rtc.ports(), 1, value);
  }
  /// Century, year, month, day, hour, minute, second, weekday.
  std::array<unsigned, 8> time() {
    return {get(0x32), get(9), get(8), get(7), get(4), get(2), get(0), get(6)};
  }
  using Time = std::array<unsigned, 8>;
};

}  // namespace

TEST_CASE("rtc: shows its start in BCD and 24 hours, and counts over a leap day") {
  Rig rig;
  CHECK(rig.time() == Rig::Time{0x20, 0x24, 0x02, 0x28, 0x23, 0x59, 0x58, 4});
  rig.clock.run_for(1999 * kMs);
  CHECK(rig.time() == Rig::Time{0x20, 0x24, 0x02, 0x28, 0x23, 0x59, 0x59, 4});
  rig.clock.run_for(1 * kMs);
  CHECK(rig.time() == Rig::Time{0x20, 0x24, 0x02, 0x29, 0x00, 0x00, 0x00, 5});
}

TEST_CASE("rtc: the calendar is right from year 0000 to 9999") {
  CHECK(Rig(0).time() == Rig::Time{0x19, 0x70, 0x01, 0x01, 0, 0, 0, 5});
  CHECK(Rig(-1).time() == Rig::Time{0x19, 0x69, 0x12, 0x31, 0x23, 0x59, 0x59, 4});
  CHECK(Rig(951782400).time() == Rig::Time{0x20, 0x00, 0x02, 0x29, 0, 0, 0, 3});
  CHECK(Rig(4107542400).time() == Rig::Time{0x21, 0x00, 0x03, 0x01, 0, 0, 0, 2});
  CHECK(Rig(253402300799).time() == Rig::Time{0x99, 0x99, 0x12, 0x31, 0x23, 0x59, 0x59, 6});
  CHECK(Rig(-62167219200).time() == Rig::Time{0x00, 0x00, 0x01, 0x01, 0, 0, 0, 7});
  // What no register can show starts in 1970.
  CHECK(Rig(INT64_MAX).time()[1] == 0x70);
}

TEST_CASE("rtc: a long sleep and single seconds end at the same time") {
  Rig slept;
  Rig watched;
  slept.clock.run_for(100 * 86400 * kSecond);
  for (unsigned day = 0; day < 100; ++day) {
    watched.clock.run_for(86400 * kSecond);
    watched.get(0);
  }
  CHECK(slept.time() == watched.time());
  CHECK(slept.time() == Rig::Time{0x20, 0x24, 0x06, 0x07, 0x23, 0x59, 0x58, 6});
}

TEST_CASE("rtc: the end of a century carries into the century byte") {
  Rig rig(946684799);
  rig.clock.run_for(kSecond);
  CHECK(rig.time() == Rig::Time{0x20, 0x00, 0x01, 0x01, 0, 0, 0, 7});
}

TEST_CASE("rtc: binary and 12-hour formats count with their own rules") {
  Rig rig;
  rig.set(0x0b, 0x84);  // SET, binary, 12 hours.
  rig.set(7, 10);
  rig.set(4, 11);
  rig.set(2, 59);
  rig.set(0, 59);
  rig.set(0x0b, 0x04);
  rig.clock.run_for(kSecond);
  CHECK(rig.get(4) == (12 | 0x80));  // Noon is 12 PM.
  CHECK(rig.get(2) == 0);
  rig.set(4, 12 | 0x80);
  rig.set(2, 59);
  rig.set(0, 59);
  rig.clock.run_for(kSecond);
  CHECK(rig.get(4) == (1 | 0x80));
  rig.set(4, 11 | 0x80);
  rig.set(2, 59);
  rig.set(0, 59);
  rig.clock.run_for(kSecond);
  CHECK(rig.get(4) == 12);  // Midnight is 12 AM.
  CHECK(rig.get(7) == 11);
}

TEST_CASE("rtc: SET freezes the time while it is written, as a driver sets the clock") {
  Rig rig;
  rig.set(0x0b, 0x82);
  rig.clock.run_for(5 * kSecond);
  CHECK(rig.get(0) == 0x58);
  rig.set(9, 0x99);
  rig.set(8, 0x12);
  rig.set(7, 0x31);
  rig.set(4, 0x12);
  rig.set(2, 0x34);
  rig.set(0, 0x56);
  rig.set(0x32, 0x19);
  CHECK((rig.get(0x0a) & 0x80) == 0);
  rig.set(0x0b, 0x02);
  rig.clock.run_for(kSecond);
  CHECK(rig.time() == Rig::Time{0x19, 0x99, 0x12, 0x31, 0x12, 0x34, 0x57, 4});
}

TEST_CASE("rtc: the first update after divider reset comes half a second later") {
  Rig rig;
  rig.set(0x0a, 0x70);
  rig.clock.run_for(10 * kSecond);
  CHECK(rig.get(0) == 0x58);
  rig.set(0x0a, 0x26);
  rig.clock.run_for(499 * kMs);
  CHECK(rig.get(0) == 0x58);
  rig.clock.run_for(1 * kMs);
  CHECK(rig.get(0) == 0x59);
  rig.clock.run_for(999 * kMs);
  CHECK(rig.get(0) == 0x59);
}

TEST_CASE("rtc: UIP warns 244 microseconds before the update") {
  Rig rig;
  rig.clock.run_for(kSecond - 250'000);
  CHECK((rig.get(0x0a) & 0x80) == 0);
  rig.clock.run_for(10'000);
  CHECK((rig.get(0x0a) & 0x80) != 0);
  CHECK(rig.get(0) == 0x58);
  rig.clock.run_for(240'000);
  CHECK((rig.get(0x0a) & 0x80) == 0);
  CHECK(rig.get(0) == 0x59);
}

TEST_CASE("rtc: the update-ended interrupt comes each second and stays until C is read") {
  Rig rig;
  rig.get(0x0c);
  rig.set(0x0b, 0x12);
  rig.clock.run_for(kSecond);
  CHECK(rig.irq8.level);
  CHECK(rig.irq8.rises == 1);
  rig.clock.run_for(kSecond);
  CHECK(rig.irq8.rises == 1);
  CHECK((rig.get(0x0c) & 0x90) == 0x90);
  CHECK_FALSE(rig.irq8.level);
  CHECK(rig.get(0x0c) == 0);
  rig.clock.run_for(kSecond);
  CHECK(rig.irq8.rises == 2);
}

TEST_CASE("rtc: flags are raised without interrupts too, and enabling one then asks at once") {
  Rig rig;
  rig.clock.run_for(kSecond);
  CHECK(rig.irq8.rises == 0);
  CHECK((rig.get(0x0c) & 0xd0) == 0x50);
  rig.clock.run_for(kSecond);
  rig.set(0x0b, 0x12);
  CHECK(rig.irq8.level);
}

TEST_CASE("rtc: the alarm matches once a day, or whenever its don't-care fields allow") {
  Rig rig;
  rig.get(0x0c);
  rig.set(1, 0x30);
  rig.set(3, 0x00);
  rig.set(5, 0x00);
  rig.set(0x0b, 0x22);
  rig.clock.run_for(31 * kSecond);  // 00:00:29
  CHECK(rig.irq8.rises == 0);
  rig.clock.run_for(kSecond);
  CHECK(rig.irq8.rises == 1);
  CHECK((rig.get(0x0c) & 0xa0) == 0xa0);
  rig.clock.run_for(86399 * kSecond);
  CHECK(rig.irq8.rises == 1);
  rig.clock.run_for(kSecond);
  CHECK(rig.irq8.rises == 2);
  rig.get(0x0c);
  rig.set(3, 0xff);
  rig.set(5, 0xc0);
  rig.clock.run_for(60 * kSecond);
  CHECK(rig.irq8.rises == 3);
}

TEST_CASE("rtc: periodic interrupts come at the rate of register A") {
  for (const unsigned rate : {1u, 2u, 3u, 6u, 15u}) {
    Rig rig;
    rig.set(0x0a, static_cast<u8>(0x20 | rate));
    rig.get(0x0c);
    rig.set(0x0b, 0x42);
    unsigned count = 0;
    while (rig.clock.scheduler.next_deadline_ns() <= kSecond) {
      rig.clock.run_until(rig.clock.scheduler.next_deadline_ns());
      CHECK((rig.get(0x0c) & 0xc0) == 0xc0);
      ++count;
    }
    const unsigned hz = rate <= 2 ? 512u >> rate : 65536u >> rate;
    CAPTURE(rate);
    CHECK(count == hz);
  }
}

TEST_CASE("rtc: no rate, a stopped divider and SET need no events") {
  Rig rig;
  rig.set(0x0b, 0x72);
  rig.set(0x0a, 0x70);
  CHECK(rig.clock.scheduler.next_deadline_ns() == Scheduler::kNever);
  rig.set(0x0a, 0x20);
  CHECK(rig.clock.scheduler.next_deadline_ns() == kSecond / 2);
  rig.set(0x0b, 0xf2);
  CHECK(rig.clock.scheduler.next_deadline_ns() == Scheduler::kNever);
  CHECK((rig.get(0x0b) & 0x10) == 0);  // SET clears UIE.
}

TEST_CASE("rtc: nonsense in the time registers does no harm") {
  Rig rig;
  for (u8 index = 0; index < 10; ++index) rig.set(index, 0xff);
  rig.set(0x32, 0xff);
  rig.clock.run_for(40 * 86400 * kSecond);
  rig.get(0);
  for (u8 index = 0; index < 10; ++index) rig.set(index, 0);
  rig.clock.run_for(40 * 86400 * kSecond);
  rig.get(0);
  CHECK(rig.get(0x0d) == 0x80);
}

TEST_CASE("rtc: memory, both banks, the NMI mask and a reset that leaves memory alone") {
  Rig rig;
  rig.rtc.set_cmos(0x34, 0x12);
  rig.rtc.set_cmos(0x90, 0x34);
  CHECK(rig.get(0x34) == 0x12);
  out8(rig.rtc.ports(), 2, 0x10);
  CHECK(in8(rig.rtc.ports(), 3) == 0x34);
  out8(rig.rtc.ports(), 3, 0x56);
  CHECK(rig.rtc.cmos(0x90) == 0x56);
  rig.set(0x8f, 0x0a);
  CHECK(rig.rtc.nmi_masked());
  rig.set(0x0b, 0x72);
  rig.rtc.reset();
  CHECK_FALSE(rig.rtc.nmi_masked());
  CHECK(rig.get(0x0f) == 0x0a);
  CHECK(rig.get(0x0b) == 0x02);
  CHECK(in8(rig.rtc.ports(), 0) == 0xff);
}

TEST_CASE("rtc: a saved clock goes on, and a damaged one is refused") {
  Rig rig;
  rig.set(0x0b, 0x52);
  rig.clock.run_for(1234 * kMs);
  const std::vector<u8> chip = saved(rig.rtc);
  Rig other(0);
  REQUIRE(load(other.clock.scheduler, saved(rig.clock.scheduler)));
  REQUIRE(load(other.rtc, chip));
  other.irq8 = rig.irq8;
  rig.clock.run_for(3 * kSecond);
  other.clock.run_for(3 * kSecond);
  CHECK(other.time() == rig.time());
  CHECK(saved(other.rtc) == saved(rig.rtc));
  std::vector<u8> damaged = chip;
  for (size_t i = 256; i < 280; ++i) damaged[i] = 0xff;
  CHECK_FALSE(load(other.rtc, damaged));
  other.set(0x0b, 0x72);
  other.clock.run_for(kSecond);  // Ends.
}
