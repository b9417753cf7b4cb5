#include "devices/ac97.h"

#include <doctest/doctest.h>

#include <vector>

#include "tests/support/device_rig.h"
#include "tests/support/recording_sink.h"
#include "tests/unit/mmu/test_memory.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

namespace {

constexpr u64 kSecond = 1'000'000'000;
constexpr u16 kNam = 0xc000, kNabm = 0xc400;
constexpr u32 kTable = 0x1'0000, kBuffers = 0x10'0000;
constexpr unsigned kIn = 0x00, kOut = 0x10;
constexpr unsigned kBdbar = 0x00, kCiv = 0x04, kLvi = 0x05, kSr = 0x06, kPicb = 0x08, kCr = 0x0b;
constexpr unsigned kRun = 0x01, kRr = 0x02, kLvbie = 0x04, kIoce = 0x10;
constexpr unsigned kDch = 0x01, kCelv = 0x02, kLvbci = 0x04, kBcis = 0x08;
constexpr u32 kIoc = 0x8000'0000;

struct Rig {
  Clock clock;
  Wire irq;
  RecordingSink sink;
  mmu::TestMemory memory;
  mmu::IoMap ports;
  Ac97 card{memory.physical, ports, clock.scheduler, irq, &sink};

  explicit Rig(bool configured = true) {
    card.reset();
    if (!configured) return;
    card.write_config(0x10, 4, kNam);
    card.write_config(0x14, 4, kNabm);
    card.write_config(0x04, 2, 0x0005);
    set(kNabm + 0x2c, 2, Width::Dword);
    set_codec(0x02, 0x0000);
    set_codec(0x18, 0x0808);
  }
  u64 get(unsigned port, Width width = Width::Byte) { return ports.read(port, width); }
  void set(unsigned port, u64 value, Width width = Width::Byte) { ports.write(port, width, value); }
  u64 codec(unsigned index) { return get(kNam + index, Width::Word); }
  void set_codec(unsigned index, u64 value) { set(kNam + index, value, Width::Word); }
  u64 status(unsigned channel = kOut) { return get(kNabm + channel + kSr, Width::Word); }

  void descriptor(unsigned index, u32 address, u32 samples_and_flags) {
    memory.put(kTable + index * 8, address, Width::Dword);
    memory.put(kTable + index * 8 + 4, samples_and_flags, Width::Dword);
  }
  void start(unsigned last, unsigned control, unsigned channel = kOut) {
    set(kNabm + channel + kBdbar, kTable, Width::Dword);
    set(kNabm + channel + kLvi, last);
    set(kNabm + channel + kCr, control);
  }
};

}  // namespace

TEST_CASE("ac97: plays a buffer as it is, at 48 kHz, and interrupts at its end") {
  Rig rig;
  for (u32 i = 0; i < 960; ++i) {
    rig.memory.put(kBuffers + 4 * i, i, Width::Word);
    rig.memory.put(kBuffers + 4 * i + 2, static_cast<u16>(-static_cast<i32>(i)), Width::Word);
  }
  rig.descriptor(0, kBuffers, 1920 | kIoc);
  rig.start(0, kRun | kIoce | kLvbie);
  CHECK((rig.status() & kDch) == 0);
  rig.clock.run_for(kSecond / 100);
  CHECK(rig.get(kNabm + kOut + kPicb, Width::Word) == 960);
  CHECK_FALSE(rig.irq.level);
  rig.clock.run_for(kSecond / 100 - 1000);
  CHECK_FALSE(rig.irq.level);
  rig.clock.run_for(1000);
  CHECK(rig.irq.level);
  CHECK(rig.status() == (kDch | kCelv | kLvbci | kBcis));
  CHECK((rig.get(kNabm + 0x30, Width::Dword) & 0xe0) == 0x40);
  CHECK(rig.sink.rate_hz == 48000);
  CHECK(rig.sink.gaps == 0);
  REQUIRE(rig.sink.frames.size() == 960);
  CHECK(rig.sink.frames[500] == AudioFrame{500, -500});
  // Cleared one by one; the line falls with the last.
  rig.set(kNabm + kOut + kSr, kBcis, Width::Word);
  CHECK(rig.irq.level);
  rig.set(kNabm + kOut + kSr, kLvbci, Width::Word);
  CHECK_FALSE(rig.irq.level);
  CHECK(rig.status() == (kDch | kCelv));
}

TEST_CASE("ac97: goes round the list, and a new last index sets it going again") {
  Rig rig;
  for (unsigned i = 0; i < 32; ++i) rig.descriptor(i, kBuffers + i * 0x1000, 960 | (i % 2 == 0 ? kIoc : 0));
  rig.start(1, kRun | kIoce);
  rig.clock.run_for(kSecond / 10);
  CHECK(rig.irq.rises == 1);
  CHECK(rig.get(kNabm + kOut + kCiv) == 1);
  CHECK((rig.status() & kDch) != 0);
  rig.set(kNabm + kOut + kSr, 0x1c, Width::Word);
  rig.set(kNabm + kOut + kLvi, 31);
  CHECK((rig.status() & (kDch | kCelv)) == 0);
  CHECK(rig.get(kNabm + kOut + kCiv) == 2);
  // 480 frames are 10 ms: after 30 buffers, the last.
  rig.clock.run_for(kSecond * 3 / 10 - kSecond / 200);
  CHECK(rig.get(kNabm + kOut + kCiv) == 31);
  rig.set(kNabm + kOut + kLvi, 0);
  rig.clock.run_for(kSecond / 100);
  CHECK(rig.get(kNabm + kOut + kCiv) == 0);
  CHECK((rig.status() & kDch) == 0);
}

TEST_CASE("ac97: pausing keeps the place, and RR forgets everything but the interrupt enables") {
  Rig rig;
  rig.descriptor(0, kBuffers, 9600);
  rig.start(0, kRun | kIoce);
  rig.clock.run_for(kSecond / 50);
  rig.set(kNabm + kOut + kCr, kIoce);
  const u64 left = rig.get(kNabm + kOut + kPicb, Width::Word);
  CHECK(left == 9600 - 1920);
  rig.clock.run_for(kSecond);
  CHECK(rig.get(kNabm + kOut + kPicb, Width::Word) == left);
  rig.set(kNabm + kOut + kCr, kRun | kIoce);
  rig.clock.run_for(kSecond / 100);
  CHECK(rig.get(kNabm + kOut + kPicb, Width::Word) == left - 960);
  rig.set(kNabm + kOut + kCr, kIoce);
  rig.set(kNabm + kOut + kCr, kIoce | kRr);
  CHECK(rig.get(kNabm + kOut + kPicb, Width::Word) == 0);
  CHECK(rig.get(kNabm + kOut + kBdbar, Width::Dword) == 0);
  CHECK(rig.get(kNabm + kOut + kCr) == kIoce);
}

TEST_CASE("ac97: rates can be chosen where VRA is on, and nowhere else") {
  Rig rig;
  CHECK((rig.codec(0x28) & 9) == 9);
  rig.set_codec(0x2c, 8000);
  CHECK(rig.codec(0x2c) == 48000);
  rig.set_codec(0x2a, 1);
  rig.set_codec(0x2c, 8000);
  CHECK(rig.codec(0x2c) == 8000);
  rig.set_codec(0x2c, 1);
  CHECK(rig.codec(0x2c) == 4000);
  rig.set_codec(0x2c, 22050);
  rig.descriptor(0, kBuffers, 4410 * 2);
  rig.start(0, kRun);
  rig.clock.run_for(kSecond / 10);
  CHECK(rig.get(kNabm + kOut + kPicb, Width::Word) == 4410);
  CHECK(rig.sink.rate_hz == 22050);
  rig.set_codec(0x2a, 0);
  CHECK(rig.codec(0x2c) == 48000);
}

TEST_CASE("ac97: volumes attenuate in steps of 1.5 dB, and mute is silence") {
  Rig rig;
  for (u32 i = 0; i < 4800; ++i) rig.memory.put(kBuffers + 4 * i, 0x2710'2710, Width::Dword);
  rig.descriptor(0, kBuffers, 9600);
  rig.set_codec(0x02, 0x0400);  // Left 6 dB down.
  rig.start(0, kRun);
  rig.clock.run_for(kSecond / 100);
  CHECK(std::abs(rig.sink.frames.back().left - 5012) < 5);
  CHECK(std::abs(rig.sink.frames.back().right - 10000) < 15);
  rig.set_codec(0x18, 0x8808);
  rig.clock.run_for(kSecond / 100);
  CHECK(rig.sink.frames.back() == AudioFrame{});
  CHECK(rig.codec(0x18) == 0x8808);
  // More than the codec has is the most it has.
  rig.set_codec(0x02, 0x2020);
  CHECK(rig.codec(0x02) == 0x1f1f);
  rig.set_codec(0x00, 0);
  CHECK(rig.codec(0x02) == 0x8000);
  CHECK(rig.codec(0x7c) == 0x8384);
}

TEST_CASE("ac97: recording fills memory with silence") {
  Rig rig;
  rig.memory.put(kBuffers, ~u64{0});
  rig.memory.put(kBuffers + 960 * 2, ~u64{0});
  rig.descriptor(0, kBuffers, 960 | kIoc);
  rig.start(0, kRun | kIoce, kIn);
  rig.clock.run_for(kSecond / 100);
  CHECK(rig.irq.level);
  CHECK((rig.get(kNabm + 0x30, Width::Dword) & 0xe0) == 0x20);
  CHECK(rig.memory.get(kBuffers) == 0);
  CHECK(rig.memory.get(kBuffers + 960 * 2) == ~u64{0});
  CHECK(rig.sink.frames.empty());
}

TEST_CASE("ac97: without bus mastering the memory stays as it is, and time passes") {
  Rig rig;
  rig.memory.put(kBuffers, ~u64{0});
  rig.descriptor(0, kBuffers, 960);
  rig.card.write_config(0x04, 2, 0x0001);
  rig.start(0, kRun, kIn);
  rig.clock.run_for(kSecond / 100);
  CHECK((rig.status(kIn) & kLvbci) != 0);
  CHECK(rig.memory.get(kBuffers) == ~u64{0});
}

TEST_CASE("ac97: the semaphore is taken by reading and given back by the codec's next access") {
  Rig rig;
  (void)rig.codec(0x02);
  CHECK(rig.get(kNabm + 0x34) == 0);
  CHECK(rig.get(kNabm + 0x34) == 1);
  (void)rig.codec(0x02);
  CHECK(rig.get(kNabm + 0x34) == 0);
}

TEST_CASE("ac97: empty buffers, odd ones and lists outside memory end at the last index") {
  Rig rig;
  for (unsigned i = 0; i < 32; ++i) rig.descriptor(i, 0xffff'fff0, kIoc | (i % 3));
  rig.start(31, kRun | kIoce);
  rig.clock.run_for(kSecond / 10);
  CHECK(rig.get(kNabm + kOut + kCiv) == 31);
  CHECK((rig.status() & kDch) != 0);
  rig.set(kNabm + kOut + kBdbar, 0xffff'fff8, Width::Dword);
  rig.set(kNabm + kOut + kLvi, 5);
  rig.clock.run_for(20 * kSecond);
  CHECK((rig.status() & kDch) != 0);
}

TEST_CASE("ac97: a loaded card plays on as the saved one") {
  Rig first;
  for (u32 i = 0; i < 9600; ++i) first.memory.put(kBuffers + 4 * i, i * 3, Width::Dword);
  first.descriptor(0, kBuffers, 9600 | kIoc);
  first.descriptor(1, kBuffers + 19200, 9600);
  first.start(1, kRun | kIoce);
  first.clock.run_for(kSecond / 30);
  Rig second;
  for (u32 i = 0; i < 9600; ++i) second.memory.put(kBuffers + 4 * i, i * 3, Width::Dword);
  second.descriptor(0, kBuffers, 9600 | kIoc);
  second.descriptor(1, kBuffers + 19200, 9600);
  REQUIRE(load(second.clock.scheduler, saved(first.clock.scheduler)));
  REQUIRE(load(second.card, saved(first.card)));
  const size_t before = first.sink.frames.size();
  for (Rig* rig : {&first, &second}) rig->clock.run_for(kSecond / 2);
  first.sink.frames.erase(first.sink.frames.begin(), first.sink.frames.begin() + static_cast<long>(before));
  CHECK(first.sink.frames == second.sink.frames);
  CHECK(saved(first.card) == saved(second.card));
}
