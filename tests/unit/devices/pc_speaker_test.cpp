#include "devices/pc_speaker.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/support/device_rig.h"
#include "tests/support/recording_sink.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

namespace {

constexpr u64 kSecond = 1'000'000'000;

struct Rig {
  Clock clock;
  Wire irq0;
  RecordingSink sink;
  Pit8254 pit{clock.scheduler, irq0};
  PcSpeaker speaker;

  explicit Rig(bool has_sink = true) : speaker(clock.scheduler, has_sink ? &sink : nullptr) {
    pit.connect_speaker(speaker);
    pit.reset();
    speaker.reset();
  }
  /// As every driver does it: mode 3, then the divisor, then the two bits of port 61h.
  void beep(unsigned hz) {
    const unsigned divisor = static_cast<unsigned>(Pit8254::kRateHz / hz);
    out8(pit.ports(), 3, 0xb6);
    out8(pit.ports(), 2, divisor & 0xff);
    out8(pit.ports(), 2, divisor >> 8);
    out8(pit.port61(), 0, 3);
  }
  void silence() { out8(pit.port61(), 0, 0); }
};

}  // namespace

TEST_CASE("speaker: counter 2 behind port 61h is a square wave of its frequency") {
  Rig rig;
  rig.clock.run_for(kSecond / 7);
  rig.beep(1000);
  rig.clock.run_for(kSecond);
  rig.silence();
  rig.clock.run_for(kSecond);
  REQUIRE(rig.sink.frames.size() > 40'000);
  CHECK(rig.sink.gaps == 0);
  CHECK(rig.sink.rate_hz == 44100);
  CHECK(std::abs(static_cast<i64>(rig.sink.begun_ns) - static_cast<i64>(kSecond / 7)) < 50'000);
  const unsigned rises = rig.sink.rises(0, 44100);
  CHECK(rises >= 998);
  CHECK(rises <= 1002);
  // Once it has settled, it swings as far up as down, and far.
  const auto [low, high] = std::minmax_element(
      rig.sink.frames.begin() + 22050, rig.sink.frames.begin() + 40000,
      [](const AudioFrame& a, const AudioFrame& b) { return a.left < b.left; });
  CHECK(high->left > 6000);
  CHECK(std::abs(high->left + low->left) < 1000);
  // Silence comes, and ends: nothing is left to do.
  CHECK(rig.sink.frames.back().left < 50);
  CHECK(rig.sink.frames.size() < 44100 + 6000);
  CHECK(rig.clock.scheduler.next_deadline_ns() - rig.clock.scheduler.now_ns() < 100'000'000);
}

TEST_CASE("speaker: a counter that only measures time is not heard") {
  Rig rig;
  rig.beep(1000);
  rig.silence();
  rig.clock.run_for(kSecond);
  const size_t before = rig.sink.frames.size();
  out8(rig.pit.port61(), 0, 1);  // The gate alone.
  for (unsigned i = 0; i < 10; ++i) {
    out8(rig.pit.ports(), 3, 0xb0);
    out8(rig.pit.ports(), 2, 0xff);
    out8(rig.pit.ports(), 2, 0xff);
    rig.clock.run_for(kSecond / 10);
  }
  CHECK(rig.sink.frames.size() == before);
}

TEST_CASE("speaker: bit 1 of port 61h alone moves the cone, too") {
  Rig rig;
  for (unsigned i = 0; i < 500; ++i) {
    out8(rig.pit.port61(), 0, i % 2 == 0 ? 2 : 0);
    rig.clock.run_for(kSecond / 1000);  // 500 Hz.
  }
  rig.clock.run_for(kSecond / 100);
  const unsigned rises = rig.sink.rises(0, rig.sink.frames.size());
  CHECK(rises >= 245);
  CHECK(rises <= 251);
}

TEST_CASE("speaker: what waits to be heard does not depend on who listens") {
  Rig heard;
  Rig unheard(false);
  for (Rig* rig : {&heard, &unheard}) {
    rig->beep(440);
    rig->clock.run_for(kSecond / 3);
    rig->beep(880);
    rig->clock.run_for(12'345'678);
  }
  CHECK(saved(heard.speaker) == saved(unheard.speaker));
  CHECK(saved(heard.clock.scheduler) == saved(unheard.clock.scheduler));
}

TEST_CASE("speaker: a loaded machine goes on with its tone") {
  Rig first;
  first.beep(2000);
  first.clock.run_for(kSecond / 2);
  Rig second;
  REQUIRE(load(second.clock.scheduler, saved(first.clock.scheduler)));
  REQUIRE(load(second.pit, saved(first.pit)));
  REQUIRE(load(second.speaker, saved(first.speaker)));
  CHECK(second.sink.frames.empty());
  second.clock.run_for(kSecond / 2);
  const unsigned rises = second.sink.rises(0, second.sink.frames.size());
  CHECK(rises >= 990);
  CHECK(rises <= 1002);
}
