#include "devices/pit_8254.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/support/device_rig.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

namespace {

/// The first nanosecond of a tick.
u64 tick_ns(u64 tick) {
  return static_cast<u64>((u128{tick} * 1'000'000'000 + Pit8254::kRateHz - 1) / Pit8254::kRateHz);
}

struct Rig {
  Clock clock;
  Wire irq0;
  Pit8254 pit{clock.scheduler, irq0};

  Rig() {
    pit.reset();
    irq0.rises = 0;
  }
  u64 tick = 0;
  void to_tick(u64 target) {
    tick = target;
    clock.run_until(tick_ns(target));
  }
  void ticks(u64 count) { to_tick(tick + count); }
  void control(unsigned value) { out8(pit.ports(), 3, value); }
  void count(unsigned counter, unsigned value) {
    out8(pit.ports(), counter, value & 0xff);
    out8(pit.ports(), counter, value >> 8);
  }
  unsigned latched(unsigned counter) {
    control(counter << 6);
    const unsigned low = in8(pit.ports(), counter);
    return low | unsigned{in8(pit.ports(), counter)} << 8;
  }
  bool out2() { return (in8(pit.port61(), 0) & 0x20) != 0; }
  void gate2(bool on) { out8(pit.port61(), 0, on ? 1 : 0); }
};

/// A counter alone, a tick at a time.
struct Bench {
  PitCounter counter;
  u64 tick = 0;
  Bench() { counter.reset(0); }
  void program(unsigned mode, unsigned count, bool bcd = false) {
    counter.write_control(static_cast<u8>(0x30 | mode << 1 | (bcd ? 1 : 0)), tick);
    write(count);
  }
  void write(unsigned count) {
    counter.write_count(static_cast<u8>(count), tick);
    counter.write_count(static_cast<u8>(count >> 8), tick);
  }
  void step() { counter.advance(++tick); }
  unsigned count() {
    const unsigned low = counter.read_count(tick);
    return low | unsigned{counter.read_count(tick)} << 8;
  }
  /// OUT at the present tick and the n-1 following ones, as the data sheet draws it.
  std::string wave(unsigned n) {
    std::string out;
    for (unsigned i = 0; i < n; ++i) {
      counter.advance(tick);
      out.push_back(counter.output() ? '-' : '_');
      ++tick;
    }
    return out;
  }
};

}  // namespace

// The pictures are those of the data sheet's "Mode 0" to "Mode 5": the first CLK after a write
// loads.

TEST_CASE("pit: mode 0 goes high N + 1 clocks after the count was written") {
  Bench bench;
  bench.program(0, 4);
  CHECK(bench.wave(8) == "_____---");
}

TEST_CASE("pit: mode 0 stops at the first byte of a new count and starts over after the second") {
  Bench bench;
  bench.program(0, 4);
  bench.wave(8);
  CHECK(bench.counter.output());
  bench.counter.write_count(2, bench.tick);
  CHECK(bench.wave(5) == "_____");
  bench.counter.write_count(0, bench.tick);
  CHECK(bench.wave(5) == "___--");
}

TEST_CASE("pit: mode 0 pauses while the gate is low") {
  Bench bench;
  bench.program(0, 3);
  bench.step();
  bench.step();
  CHECK(bench.count() == 2);
  bench.counter.set_gate(false, bench.tick);
  bench.tick += 100;
  CHECK(bench.count() == 2);
  CHECK_FALSE(bench.counter.output());
  bench.counter.set_gate(true, bench.tick);
  CHECK(bench.wave(4) == "__--");
}

TEST_CASE("pit: mode 0 counts on below zero") {
  Bench bench;
  bench.program(0, 2);
  bench.tick = 4;
  CHECK(bench.count() == 0xffff);
}

TEST_CASE(
    "pit: mode 1 makes a pulse of N clocks from a rising gate, and a new gate makes it longer") {
  Bench bench;
  bench.counter.set_gate(false, 0);
  bench.program(1, 3);
  CHECK(bench.wave(3) == "---");
  bench.counter.set_gate(true, bench.tick);
  CHECK(bench.wave(6) == "-___--");
  bench.counter.set_gate(false, bench.tick);
  bench.counter.set_gate(true, bench.tick);
  CHECK(bench.wave(3) == "-__");
  bench.counter.set_gate(false, bench.tick);
  bench.counter.set_gate(true, bench.tick);
  CHECK(bench.wave(6) == "____--");
}

TEST_CASE("pit: mode 2 is low for one clock of N") {
  Bench bench;
  bench.program(2, 3);
  CHECK(bench.wave(11) == "---_--_--_-");
}

TEST_CASE("pit: mode 2 takes a new count at the end of the period") {
  Bench bench;
  bench.program(2, 4);
  CHECK(bench.wave(3) == "---");
  bench.write(2);
  CHECK(bench.wave(6) == "-_-_-_");
}

TEST_CASE("pit: mode 2 is high without its gate and starts over with it") {
  Bench bench;
  bench.program(2, 3);
  CHECK(bench.wave(4) == "---_");
  bench.counter.set_gate(false, bench.tick);
  CHECK(bench.wave(5) == "-----");
  bench.counter.set_gate(true, bench.tick);
  CHECK(bench.wave(5) == "---_-");
}

TEST_CASE("pit: mode 3 is a square wave, longer high than low for an odd count") {
  Bench even;
  even.program(3, 4);
  CHECK(even.wave(11) == "---__--__--");
  Bench odd;
  odd.program(3, 5);
  CHECK(odd.wave(13) == "----__---__--");
}

TEST_CASE("pit: mode 3 counts by two from an even number") {
  Bench odd;
  odd.program(3, 5);
  std::vector<unsigned> seen;
  for (unsigned i = 0; i < 6; ++i) {
    odd.step();
    seen.push_back(odd.count());
  }
  CHECK(seen == std::vector<unsigned>{4, 2, 0, 4, 2, 4});
}

TEST_CASE("pit: mode 3 takes a new count at the end of the half period") {
  Bench bench;
  bench.program(3, 8);
  CHECK(bench.wave(3) == "---");  // Loaded, two of four high clocks gone.
  bench.write(4);
  CHECK(bench.wave(8) == "--__--__");
}

TEST_CASE("pit: mode 4 strobes for one clock, N + 1 clocks after the write, once") {
  Bench bench;
  bench.program(4, 3);
  CHECK(bench.wave(8) == "----_---");
  bench.write(1);
  CHECK(bench.wave(5) == "--_--");
}

TEST_CASE("pit: mode 5 strobes N clocks after a rising gate") {
  Bench bench;
  bench.counter.set_gate(false, 0);
  bench.program(5, 2);
  CHECK(bench.wave(4) == "----");
  bench.counter.set_gate(true, bench.tick);
  CHECK(bench.wave(6) == "---_--");
}

TEST_CASE("pit: jumping over many clocks ends where single steps end") {
  for (unsigned mode = 0; mode < 6; ++mode) {
    for (const unsigned count : {2u, 3u, 7u, 10u}) {
      for (unsigned jump = 1; jump < 40; ++jump) {
        Bench stepped;
        Bench jumped;
        stepped.counter.set_gate(false, 0);
        jumped.counter.set_gate(false, 0);
        stepped.program(mode, count);
        jumped.program(mode, count);
        stepped.counter.set_gate(true, 0);
        jumped.counter.set_gate(true, 0);
        bool rose = false;
        for (unsigned i = 1; i <= jump; ++i) rose |= stepped.counter.advance(i);
        const bool jump_rose = jumped.counter.advance(jump);
        CAPTURE(mode);
        CAPTURE(count);
        CAPTURE(jump);
        CHECK(stepped.counter.output() == jumped.counter.output());
        CHECK(rose == jump_rose);
        CHECK(stepped.counter.read_count(jump) == jumped.counter.read_count(jump));
      }
    }
  }
}

TEST_CASE("pit: the predicted rise is the tick at which OUT rises") {
  for (unsigned mode = 0; mode < 6; ++mode) {
    for (const unsigned count : {2u, 3u, 4u, 9u}) {
      Bench bench;
      bench.counter.set_gate(false, 0);
      bench.program(mode, count);
      bench.counter.set_gate(true, 0);
      for (unsigned edge = 0; edge < 3; ++edge) {
        const u64 predicted = bench.counter.next_rise();
        if (predicted == PitCounter::kNoTick) {
          for (unsigned i = 0; i < 100; ++i) CHECK_FALSE(bench.counter.advance(++bench.tick));
          break;
        }
        CAPTURE(mode);
        CAPTURE(count);
        while (!bench.counter.advance(++bench.tick)) REQUIRE(bench.tick < 200);
        CHECK(bench.tick == predicted);
      }
    }
  }
}

TEST_CASE("pit: BCD counts in decimal") {
  Bench bench;
  bench.program(2, 0x1000, true);
  bench.step();
  CHECK(bench.count() == 0x1000);
  bench.step();
  CHECK(bench.count() == 0x0999);
  Bench zero;
  zero.program(0, 0, true);
  zero.step();
  zero.step();
  CHECK(zero.count() == 0x9999);
}

TEST_CASE("pit: only the low or only the high byte can be written and read") {
  Rig rig;
  rig.control(0x94);  // Counter 2, low byte, mode 2.
  out8(rig.pit.ports(), 2, 0x20);
  rig.gate2(true);
  rig.ticks(3);
  CHECK(in8(rig.pit.ports(), 2) == 0x1e);
  CHECK(in8(rig.pit.ports(), 2) == 0x1e);
  rig.control(0xa4);  // High byte.
  out8(rig.pit.ports(), 2, 0x20);
  rig.ticks(2);
  CHECK(in8(rig.pit.ports(), 2) == 0x1f);
}

TEST_CASE("pit: a latch holds until it is read, and the first one wins") {
  Rig rig;
  rig.control(0x34);
  rig.count(0, 1000);
  rig.ticks(11);
  rig.control(0x00);
  rig.ticks(100);
  rig.control(0x00);
  CHECK((in8(rig.pit.ports(), 0) | in8(rig.pit.ports(), 0) << 8) == 990);
  CHECK(rig.latched(0) == 890);
}

TEST_CASE("pit: read-back gives status before count") {
  Rig rig;
  rig.control(0x34);
  rig.control(0xe2);                       // Status of counter 0 only.
  CHECK(in8(rig.pit.ports(), 0) == 0xf4);  // OUT high, null count, both bytes, mode 2.
  rig.count(0, 100);
  rig.ticks(2);
  rig.control(0xc2);  // Both.
  rig.ticks(30);
  CHECK(in8(rig.pit.ports(), 0) == 0xb4);
  CHECK(in8(rig.pit.ports(), 0) == 99);
  CHECK(in8(rig.pit.ports(), 0) == 0);
  // Now live again.
  CHECK(in8(rig.pit.ports(), 0) == 69);
}

TEST_CASE("pit: HZ = 100 gives exactly 100 interrupts a second for an hour") {
  Rig rig;
  rig.control(0x34);
  rig.count(0, 11932);
  rig.clock.run_for(u64{3600} * 1'000'000'000);
  CHECK(rig.irq0.rises == u64{3600} * 1193182 / 11932);
}

TEST_CASE("pit: a count of zero is 65536: 18.2 Hz") {
  Rig rig;  // As firmware leaves it.
  rig.clock.run_for(u64{10} * 1'000'000'000);
  CHECK(rig.irq0.rises == 182);
}

TEST_CASE("pit: one-shot interrupts come once, at the tick") {
  Rig rig;
  rig.control(0x30);
  CHECK_FALSE(rig.irq0.level);
  rig.count(0, 1000);
  rig.to_tick(1000);
  CHECK(rig.irq0.rises == 0);
  rig.to_tick(1001);
  CHECK(rig.irq0.rises == 1);
  rig.to_tick(1'000'000);
  CHECK(rig.irq0.rises == 1);
  // As Linux's one-shot mode does it.
  rig.control(0x38);
  rig.count(0, 500);
  rig.ticks(501);
  CHECK(rig.irq0.rises == 1);  // Low for this clock.
  rig.ticks(1);
  CHECK(rig.irq0.rises == 2);
  rig.ticks(200'000);
  CHECK(rig.irq0.rises == 2);
}

TEST_CASE("pit: the smallest counts cannot make time stand still") {
  Rig rig;
  for (const unsigned control : {0x14u, 0x16u}) {
    for (const unsigned count : {1u, 2u}) {
      rig.control(control);
      out8(rig.pit.ports(), 0, count);
      const u64 now = rig.clock.scheduler.now_ns();
      CHECK(rig.clock.scheduler.next_deadline_ns() > now + 1000);
      rig.clock.scheduler.skip_to(now + 1'000'000'000);  // A second behind.
      rig.clock.scheduler.run_due();
      CHECK(rig.clock.scheduler.next_deadline_ns() > rig.clock.scheduler.now_ns());
    }
  }
}

TEST_CASE("pit: port 61h gates counter 2 and shows its output, as TSC calibration uses it") {
  Rig rig;
  rig.gate2(false);
  out8(rig.pit.port61(), 0, (in8(rig.pit.port61(), 0) & ~0x02) | 0x01);
  rig.control(0xb0);
  rig.count(2, 11931);
  CHECK_FALSE(rig.out2());
  rig.to_tick(11931);
  CHECK_FALSE(rig.out2());
  rig.to_tick(11932);
  CHECK(rig.out2());
}

TEST_CASE("pit: the refresh bit of port 61h changes every 15 microseconds, other bits are kept") {
  Rig rig;
  out8(rig.pit.port61(), 0, 0xfc);
  CHECK((in8(rig.pit.port61(), 0) & 0xcf) == 0x0c);
  unsigned changes = 0;
  u8 before = in8(rig.pit.port61(), 0) & 0x10;
  for (unsigned i = 0; i < 1000; ++i) {
    rig.clock.run_for(1000);
    const u8 now = in8(rig.pit.port61(), 0) & 0x10;
    if (now != before) ++changes;
    before = now;
  }
  CHECK(changes == 66);  // 1 ms / 15.085 us
}

TEST_CASE("pit: a timer that was told to count in decimal, and not yet what, can be saved") {
  Rig rig;
  rig.control(0x36);
  rig.count(0, 0xfff0);
  rig.ticks(3);
  rig.control(0x37);
  const std::vector<u8> chip = saved(rig.pit);
  Rig other;
  CHECK(load(other.pit, chip));
}

TEST_CASE("pit: a saved timer ticks on in step") {
  Rig rig;
  rig.control(0x36);
  rig.count(0, 1001);
  rig.ticks(12345);
  const std::vector<u8> chip = saved(rig.pit);
  const std::vector<u8> time = saved(rig.clock.scheduler);
  Rig other;
  REQUIRE(load(other.clock.scheduler, time));
  REQUIRE(load(other.pit, chip));
  other.irq0 = rig.irq0;
  rig.clock.run_for(50'000'000);
  other.clock.run_for(50'000'000);
  CHECK(other.irq0.rises == rig.irq0.rises);
  CHECK(saved(other.pit) == saved(rig.pit));
}
