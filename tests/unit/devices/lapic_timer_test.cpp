#include "devices/lapic_timer.h"

#include <doctest/doctest.h>

#include "tests/support/device_rig.h"

namespace doppel::devices {
namespace {

using Mode = LapicTimer::Mode;

constexpr u32 kDivideBy1 = 0xb;
constexpr u32 kDivideBy16 = 0x3;

struct Timer {
  explicit Timer(u64 rate_hz = 1'000'000'000) : tsc(clock.scheduler, rate_hz) {
    timer.reset();
    timer.set_divide_configuration(kDivideBy1);
  }
  test::Clock clock;
  TimestampCounter tsc;
  std::vector<u64> fired;
  LapicTimer timer{"timer", clock.scheduler, tsc,
                   [this] { fired.push_back(clock.scheduler.now_ns()); }};
};

TEST_CASE("lapic_timer: one-shot counts down and fires once, when it reaches zero") {
  Timer t;
  t.timer.configure(Mode::OneShot, false);
  t.timer.set_initial_count(1000);
  CHECK(t.timer.current_count() == 1000);
  t.clock.run_until(400);
  CHECK(t.timer.current_count() == 600);
  t.clock.run_until(999);
  CHECK(t.timer.current_count() == 1);
  CHECK(t.fired.empty());
  t.clock.run_until(5000);
  CHECK(t.fired == std::vector<u64>{1000});
  CHECK(t.timer.current_count() == 0);
}

TEST_CASE("lapic_timer: every divider divides by what the manual says") {
  const std::pair<u32, u64> dividers[] = {{0x0, 2},  {0x1, 4},  {0x2, 8},   {0x3, 16},
                                          {0x8, 32}, {0x9, 64}, {0xa, 128}, {0xb, 1}};
  for (const auto& [configuration, divisor] : dividers) {
    Timer t;
    t.timer.configure(Mode::OneShot, false);
    t.timer.set_divide_configuration(configuration);
    t.timer.set_initial_count(10);
    t.clock.run_until(3 * divisor);
    CHECK(t.timer.current_count() == 7);
    t.clock.run_until(100 * divisor);
    CHECK(t.fired == std::vector<u64>{10 * divisor});
  }
}

TEST_CASE("lapic_timer: periodic fires at every multiple without drift") {
  Timer t;
  t.timer.configure(Mode::Periodic, false);
  t.timer.set_divide_configuration(kDivideBy16);
  t.timer.set_initial_count(625);  // 10 us
  t.clock.run_until(35'000);
  CHECK(t.fired == std::vector<u64>{10'000, 20'000, 30'000});
  CHECK(t.timer.current_count() == 625 - 5'000 / 16);
}

TEST_CASE("lapic_timer: a late event does not move the next one") {
  Timer t;
  t.timer.configure(Mode::Periodic, false);
  t.timer.set_initial_count(10'000);
  t.clock.scheduler.skip_to(47'000);
  t.clock.scheduler.run_due();
  CHECK(t.fired.size() == 1);
  CHECK(t.clock.scheduler.next_deadline_ns() == 50'000);
}

TEST_CASE("lapic_timer: a tiny period is thinned out, on its own grid") {
  Timer t;
  t.timer.configure(Mode::Periodic, false);
  t.timer.set_initial_count(1);
  t.clock.run_until(10'000);
  CHECK(t.fired.size() <= 11);
  t.timer.set_initial_count(300);
  t.fired.clear();
  t.clock.run_until(14'000);
  REQUIRE(t.fired.size() >= 2);
  CHECK((t.fired[1] - t.fired[0]) % 300 == 0);
  CHECK(t.fired[1] - t.fired[0] >= 1000);
}

TEST_CASE("lapic_timer: counts while masked but stays quiet") {
  Timer t;
  t.timer.configure(Mode::OneShot, true);
  t.timer.set_initial_count(1000);
  t.clock.run_until(600);
  CHECK(t.timer.current_count() == 400);
  t.clock.run_until(2000);
  t.timer.configure(Mode::OneShot, false);
  t.clock.run_until(9000);
  CHECK(t.fired.empty());  // It ended while masked.
}

TEST_CASE("lapic_timer: unmasking keeps the phase of a periodic count") {
  Timer t;
  t.timer.configure(Mode::Periodic, true);
  t.timer.set_initial_count(10'000);
  t.clock.run_until(25'000);
  t.timer.configure(Mode::Periodic, false);
  t.clock.run_until(45'000);
  CHECK(t.fired == std::vector<u64>{30'000, 40'000});
}

TEST_CASE("lapic_timer: what is due at the moment of a change still happens") {
  Timer t;
  t.timer.configure(Mode::OneShot, false);
  t.timer.set_initial_count(100);
  t.clock.scheduler.skip_to(100);  // Due, but the events have not run.
  t.timer.configure(Mode::OneShot, true);
  CHECK(t.fired == std::vector<u64>{100});
}

TEST_CASE("lapic_timer: an initial count of zero stops it") {
  Timer t;
  t.timer.configure(Mode::Periodic, false);
  t.timer.set_initial_count(5000);
  t.timer.set_initial_count(0);
  t.clock.run_until(50'000);
  CHECK(t.fired.empty());
  CHECK(t.timer.current_count() == 0);
}

TEST_CASE("lapic_timer: a TSC deadline fires once, when the TSC reaches it, and reads zero after") {
  Timer t;
  t.timer.set_deadline(500);  // Not in that mode: ignored.
  CHECK(t.timer.deadline() == 0);
  t.timer.configure(Mode::TscDeadline, false);
  t.timer.set_deadline(5000);
  CHECK(t.timer.deadline() == 5000);
  t.timer.set_initial_count(7);  // Has no meaning here.
  CHECK(t.timer.current_count() == 0);
  t.clock.run_until(9000);
  CHECK(t.fired == std::vector<u64>{5000});
  CHECK(t.timer.deadline() == 0);
  t.timer.set_deadline(100);  // In the past: at once.
  t.clock.run_for(1);
  CHECK(t.fired.size() == 2);
  t.timer.set_deadline(50'000);
  t.timer.set_deadline(0);  // Disarms.
  t.clock.run_until(60'000);
  CHECK(t.fired.size() == 2);
}

TEST_CASE("lapic_timer: a TSC deadline follows the rate and the guest's writes to the TSC") {
  Timer t(2'500'000'000);
  t.timer.configure(Mode::TscDeadline, false);
  t.timer.set_deadline(2'501);
  t.clock.run_until(3000);
  CHECK(t.fired == std::vector<u64>{1001});  // Rounded up: at 1000 ns the TSC is 2500.
  t.tsc.set_value(0);
  t.timer.set_deadline(25'000);
  t.tsc.set_value(20'000);
  t.timer.tsc_changed();
  t.clock.run_until(20'000);
  CHECK(t.fired.back() == 5000);
  t.timer.set_deadline(~u64{0});  // Centuries away.
  t.clock.run_until(50'000);
  CHECK(t.fired.size() == 2);
}

TEST_CASE("timestamp_counter: WRMSR TSC shows in TSC_ADJUST and the other way round") {
  Timer t;
  t.clock.run_until(1000);
  t.tsc.set_value(5000);
  CHECK(t.tsc.adjust() == 4000);
  t.tsc.set_adjust(0);
  CHECK(t.tsc.value() == 1000);
  t.tsc.set_adjust(u64{0} - 1000);
  CHECK(t.tsc.value() == 0);
}

}  // namespace
}  // namespace doppel::devices
