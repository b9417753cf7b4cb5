#include "devices/hpet.h"

#include <doctest/doctest.h>

#include "tests/support/device_rig.h"

namespace doppel::devices {
namespace {

constexpr u64 kConfig = 0x10;
constexpr u64 kStatus = 0x20;
constexpr u64 kCounter = 0xf0;
constexpr u64 kT0Config = 0x100;
constexpr u64 kT0Comparator = 0x108;
constexpr u64 kT1Config = 0x120;
constexpr u64 kT1Comparator = 0x128;
constexpr u64 kRoute20 = 20u << 9;
constexpr u64 kInterrupt = 1u << 2;
constexpr u64 kPeriodic = 1u << 3;
constexpr u64 kValueSet = 1u << 6;
constexpr u64 k32Bit = 1u << 8;
constexpr u64 kLevel = 1u << 1;

struct System {
  test::Clock clock;
  test::Wire pins[24];
  test::Wire irq0;
  test::Wire irq8;
  std::vector<bool> legacy;
  Hpet hpet{clock.scheduler,
            Hpet::Wires{.pin = [this](unsigned pin) -> IrqLine& { return pins[pin]; },
                        .legacy_timer = irq0,
                        .legacy_rtc = irq8,
                        .legacy_changed = [this](bool on) { legacy.push_back(on); }}};

  System() { hpet.reset(); }
  u64 get(u64 offset, Width width = Width::Qword) { return hpet.read(offset, width); }
  void set(u64 offset, u64 value, Width width = Width::Qword) { hpet.write(offset, width, value); }
};

TEST_CASE("hpet: offers 100 MHz, three timers and legacy replacement") {
  System s;
  CHECK(s.get(0) == 0x0098'9680'8086'a201);
  CHECK(s.get(4, Width::Dword) == 10'000'000);  // Femtoseconds a tick.
  CHECK(s.get(kT0Config) == 0x00f0'0000'0000'0030);
  CHECK(s.get(kT1Config) == 0x00f0'0000'0000'0020);  // Not periodic.
}

TEST_CASE("hpet: the counter runs while enabled and keeps its value while not") {
  System s;
  s.clock.run_until(1000);
  CHECK(s.get(kCounter) == 0);
  s.set(kConfig, 1);
  s.clock.run_until(2005);
  CHECK(s.get(kCounter) == 100);
  s.set(kConfig, 0);
  s.clock.run_until(9000);
  CHECK(s.get(kCounter) == 100);
  s.set(kCounter, 0x1'ffff'fff0);
  s.set(kConfig, 1);
  s.clock.run_for(320);
  CHECK(s.get(kCounter) == 0x2'0000'0010);
  CHECK(s.get(kCounter, Width::Dword) == 0x10);
  CHECK(s.get(kCounter + 4, Width::Dword) == 2);
}

TEST_CASE("hpet: a one-shot comparator interrupts once, when it matches") {
  System s;
  s.set(kT1Config, kInterrupt | kRoute20);
  s.set(kT1Comparator, 500);
  s.set(kConfig, 1);
  s.clock.run_until(4999);
  CHECK(s.pins[20].rises == 0);
  s.clock.run_until(5000);
  CHECK(s.pins[20].rises == 1);
  CHECK_FALSE(s.pins[20].level);  // An edge.
  s.clock.run_until(1'000'000);
  CHECK(s.pins[20].rises == 1);
}

TEST_CASE("hpet: timer 0 is periodic from the accumulator that VAL_SET wrote") {
  System s;
  s.set(kT0Config, kInterrupt | kPeriodic | kValueSet | kRoute20, Width::Dword);
  s.set(kT0Comparator, 3000, Width::Dword);  // First match,
  s.set(kT0Comparator + 4, 0, Width::Dword);
  s.set(kT0Config, kInterrupt | kPeriodic | kValueSet | kRoute20, Width::Dword);
  s.set(kT0Comparator + 4, 0, Width::Dword);
  s.set(kT0Comparator, 1000, Width::Dword);  // then every 10 us.
  CHECK(s.get(kT0Comparator) == 3000);
  s.set(kConfig, 1);
  s.clock.run_until(29'999);
  CHECK(s.pins[20].rises == 0);
  s.clock.run_until(30'000);
  CHECK(s.pins[20].rises == 1);
  CHECK(s.get(kT0Comparator) == 4000);
  s.clock.run_until(75'000);
  CHECK(s.pins[20].rises == 5);
  CHECK(s.get(kT0Comparator) == 8000);
}

TEST_CASE("hpet: legacy replacement gives timers 0 and 1 the lines of PIT and RTC") {
  System s;
  s.set(kT0Config, kInterrupt);
  s.set(kT1Config, kInterrupt);
  s.set(kT0Comparator, 100);
  s.set(kT1Comparator, 200);
  s.set(kConfig, 3);
  CHECK(s.legacy == std::vector<bool>{true});
  s.clock.run_until(10'000);
  CHECK(s.irq0.rises == 1);
  CHECK(s.irq8.rises == 1);
  s.set(kConfig, 1);
  CHECK(s.legacy == std::vector<bool>{true, false});
}

TEST_CASE("hpet: a level-triggered timer holds its line until its status bit is cleared") {
  System s;
  s.set(kT1Config, kInterrupt | kLevel | kRoute20);
  s.set(kT1Comparator, 100);
  s.set(kConfig, 1);
  s.clock.run_until(5000);
  CHECK(s.pins[20].level);
  CHECK(s.get(kStatus) == 2);
  s.set(kT1Config, kInterrupt | kLevel | 21u << 9);  // Moves with its route.
  CHECK_FALSE(s.pins[20].level);
  CHECK(s.pins[21].level);
  s.set(kStatus, 2);
  CHECK_FALSE(s.pins[21].level);
  CHECK(s.get(kStatus) == 0);
}

TEST_CASE("hpet: a 32-bit comparator matches again after the counter wrapped") {
  System s;
  s.set(kT1Config, kInterrupt | k32Bit | kRoute20);
  s.set(kT1Comparator, 0x20);
  s.set(kCounter, 0xffff'fff0);
  s.set(kConfig, 1);
  s.clock.run_until(0x2f * 10);
  CHECK(s.pins[20].rises == 0);
  s.clock.run_until(0x30 * 10);
  CHECK(s.pins[20].rises == 1);
  s.clock.run_for(u64{10} << 32);
  CHECK(s.pins[20].rises == 2);
}

TEST_CASE("hpet: a period of one tick or none cannot hold time up") {
  System s;
  s.set(kT0Config, kInterrupt | kPeriodic | kValueSet | kRoute20);
  s.set(kT0Comparator, 1);
  s.set(kConfig, 1);
  s.clock.run_until(100'000);
  CHECK(s.pins[20].rises <= 101);
  CHECK(s.pins[20].rises >= 50);
  s.set(kT0Config, kInterrupt | kPeriodic | kValueSet | kRoute20);
  s.set(kT0Comparator, 0);
  s.clock.run_until(200'000);
  CHECK(s.pins[20].rises <= 102);
}

TEST_CASE("hpet: routes that are not offered lead nowhere") {
  System s;
  s.set(kT1Config, kInterrupt | 31u << 9);
  s.set(kT1Comparator, 100);
  s.set(kConfig, 1);
  s.clock.run_until(5000);
  for (const auto& pin : s.pins) CHECK(pin.rises == 0);
}

}  // namespace
}  // namespace doppel::devices
