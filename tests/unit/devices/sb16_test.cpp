#include "devices/sb16.h"

#include <doctest/doctest.h>

#include <array>
#include <initializer_list>

#include "tests/support/device_rig.h"
#include "tests/support/recording_sink.h"
#include "tests/unit/mmu/test_memory.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

namespace {

constexpr u64 kSecond = 1'000'000'000;
constexpr u32 kBuffer = 0x2'0000;

struct Rig {
  Clock clock;
  std::array<Wire, 16> irq;
  RecordingSink sink;
  mmu::TestMemory memory;
  Dma8237Pair dma{memory.physical};
  Sb16 card{clock.scheduler, [this](unsigned number) -> IrqLine& { return irq[number]; }, dma, &sink};

  Rig() {
    dma.reset();
    card.reset();
    reset_dsp();
    set_mixer(0x30, 0xf8), set_mixer(0x31, 0xf8), set_mixer(0x32, 0xf8), set_mixer(0x33, 0xf8);
  }
  void reset_dsp() {
    out8(card.ports(), 6, 1);
    clock.run_for(3000);
    out8(card.ports(), 6, 0);
    CHECK(answer() == 0xaa);
  }
  /// The next byte that the DSP has to say; FFFFh: none.
  unsigned answer() {
    if ((in8(card.ports(), 0xe) & 0x80) == 0) return 0xffff;
    return in8(card.ports(), 0xa);
  }
  void dsp(std::initializer_list<unsigned> bytes) {
    for (const unsigned byte : bytes) {
      CHECK((in8(card.ports(), 0xc) & 0x80) == 0);
      out8(card.ports(), 0xc, byte);
    }
  }
  u8 mixer(unsigned index) {
    out8(card.ports(), 4, index);
    return in8(card.ports(), 5);
  }
  void set_mixer(unsigned index, unsigned value) {
    out8(card.ports(), 4, index);
    out8(card.ports(), 5, value);
  }
  /// Channel 1 moves `bytes` at kBuffer; `mode` as in the 8237.
  void program_bytes(unsigned mode, unsigned bytes) {
    mmu::IoHandler& ports = dma.byte_ports();
    out8(ports, 0xa, 5);
    out8(ports, 0xc, 0);
    out8(ports, 2, kBuffer & 0xff);
    out8(ports, 2, kBuffer >> 8 & 0xff);
    out8(ports, 3, (bytes - 1) & 0xff);
    out8(ports, 3, (bytes - 1) >> 8);
    out8(ports, 0xb, mode | 1);
    out8(dma.page_ports(), 0x83 - 0x81, kBuffer >> 16);
    out8(ports, 0xa, 1);
  }
  /// Channel 5.
  void program_words(unsigned mode, unsigned words) {
    mmu::IoHandler& ports = dma.word_ports();
    out8(ports, 0x14, 5);
    out8(ports, 0x18, 0);
    out8(ports, 0x04, kBuffer >> 1 & 0xff);
    out8(ports, 0x04, kBuffer >> 9 & 0xff);
    out8(ports, 0x06, (words - 1) & 0xff);
    out8(ports, 0x06, (words - 1) >> 8);
    out8(ports, 0x16, mode | 1);
    out8(dma.page_ports(), 0x8b - 0x81, kBuffer >> 16);
    out8(ports, 0x14, 1);
  }
};

constexpr unsigned kFromMemory = 0x48, kToMemory = 0x44, kAuto = 0x10;

}  // namespace

TEST_CASE("sb16: a reset answers AAh, and the version is 4.05") {
  Rig rig;
  rig.dsp({0xe1});
  CHECK(rig.answer() == 4);
  CHECK(rig.answer() == 5);
  CHECK(rig.answer() == 0xffff);
  rig.dsp({0xe0, 0x5a});
  CHECK(rig.answer() == 0xa5);
  rig.dsp({0xe4, 0x77, 0xe8});
  CHECK(rig.answer() == 0x77);
  rig.dsp({0xe3});
  CHECK(rig.answer() == 'C');
}

TEST_CASE("sb16: the mixer says which lines the card is on, and software moves them") {
  Rig rig;
  CHECK((rig.mixer(0x80) & 0x0f) == 0x02);
  CHECK(rig.mixer(0x81) == 0x22);
  rig.dsp({0xf2});
  CHECK(rig.irq[5].level);
  CHECK(rig.mixer(0x82) == 0x01);
  rig.set_mixer(0x80, 0x04);
  CHECK_FALSE(rig.irq[5].level);
  CHECK(rig.irq[7].level);
  (void)in8(rig.card.ports(), 0xe);
  CHECK_FALSE(rig.irq[7].level);
  rig.dsp({0xf3});
  CHECK(rig.mixer(0x82) == 0x02);
  (void)in8(rig.card.ports(), 0xe);
  CHECK(rig.irq[7].level);
  (void)in8(rig.card.ports(), 0xf);
  CHECK_FALSE(rig.irq[7].level);
}

TEST_CASE("sb16: the older mixers' registers are the upper halves of the volumes") {
  Rig rig;
  rig.set_mixer(0x22, 0xa3);
  CHECK(rig.mixer(0x30) == 0xa8);
  CHECK(rig.mixer(0x31) == 0x38);
  rig.set_mixer(0x30, 0x50);
  CHECK(rig.mixer(0x22) == 0x53);
}

TEST_CASE("sb16: 16-bit stereo repeats its block, with an interrupt after each, until told to stop") {
  Rig rig;
  for (u32 i = 0; i < 441 * 2; ++i) {
    rig.memory.put(kBuffer + 4 * i, i + 1, Width::Word);
    rig.memory.put(kBuffer + 4 * i + 2, 0x8000 + i, Width::Word);
  }
  rig.program_words(kFromMemory | kAuto, 441 * 4);
  rig.dsp({0x41, 44100 >> 8, 44100 & 0xff});
  rig.dsp({0xb6, 0x30, (882 - 1) & 0xff, (882 - 1) >> 8});
  rig.clock.run_for(kSecond / 100 - 1000);
  CHECK(rig.irq[5].rises == 0);
  rig.clock.run_for(2000);
  CHECK(rig.irq[5].level);
  CHECK(rig.mixer(0x82) == 0x02);
  (void)in8(rig.card.ports(), 0xf);
  rig.clock.run_for(kSecond / 100);
  CHECK(rig.irq[5].rises == 2);
  (void)in8(rig.card.ports(), 0xf);
  rig.dsp({0xd9});
  rig.clock.run_for(kSecond / 10);
  CHECK(rig.irq[5].rises == 3);
  REQUIRE(rig.sink.frames.size() == 441 * 3);
  CHECK(rig.sink.gaps == 0);
  CHECK(rig.sink.frames[440] == AudioFrame{441, static_cast<i16>(0x8000 + 440)});
  CHECK(rig.sink.frames[441 * 2].left == 1);  // The controller started over.
}

TEST_CASE("sb16: the oldest command plays 8-bit bytes once, at the rate of the time constant") {
  Rig rig;
  for (u32 i = 0; i < 100; ++i) rig.memory.put(kBuffer + i, 0x80 + i, Width::Byte);
  rig.program_bytes(kFromMemory, 100);
  rig.dsp({0x40, 256 - 100});  // 10 kHz
  rig.dsp({0x14, 99, 0});
  rig.clock.run_for(kSecond / 100 - 1000);
  CHECK_FALSE(rig.irq[5].level);
  rig.clock.run_for(2000);
  CHECK(rig.irq[5].level);
  CHECK(rig.sink.rate_hz == 10000);
  REQUIRE(rig.sink.frames.size() == 100);
  CHECK(rig.sink.frames[42] == AudioFrame{42 << 8, 42 << 8});
  rig.clock.run_for(kSecond);
  CHECK(rig.irq[5].rises == 1);
}

TEST_CASE("sb16: a pause keeps the place in the block") {
  Rig rig;
  rig.program_bytes(kFromMemory | kAuto, 1000);
  rig.dsp({0x41, 10000 >> 8, 10000 & 0xff, 0xc6, 0x00, 999 & 0xff, 999 >> 8});
  rig.clock.run_for(kSecond / 20);
  rig.dsp({0xd0});
  rig.clock.run_for(kSecond);
  CHECK(rig.irq[5].rises == 0);
  rig.dsp({0xd4});
  rig.clock.run_for(kSecond / 20 - 1'000'000);
  CHECK(rig.irq[5].rises == 0);
  rig.clock.run_for(2'000'000);
  CHECK(rig.irq[5].rises == 1);
}

TEST_CASE("sb16: a masked channel keeps the card waiting") {
  Rig rig;
  rig.dsp({0xc0, 0x00, 9, 0});
  rig.clock.run_for(kSecond);
  CHECK(rig.irq[5].rises == 0);
  rig.program_bytes(kFromMemory, 10);
  rig.clock.run_for(kSecond / 10);
  CHECK(rig.irq[5].rises == 1);
}

TEST_CASE("sb16: recording gives silence, and silence takes its time") {
  Rig rig;
  rig.memory.put(kBuffer, ~u64{0});
  rig.program_bytes(kToMemory, 4);
  rig.dsp({0x41, 10000 >> 8, 10000 & 0xff, 0xc8, 0x00, 3, 0});
  rig.clock.run_for(kSecond / 100);
  CHECK(rig.irq[5].level);
  CHECK(rig.memory.get(kBuffer) == 0xffff'ffff'8080'8080);
  (void)in8(rig.card.ports(), 0xe);
  rig.dsp({0x80, 999 & 0xff, 999 >> 8});
  rig.clock.run_for(kSecond / 10 - 1000);
  CHECK_FALSE(rig.irq[5].level);
  rig.clock.run_for(2000);
  CHECK(rig.irq[5].level);
}

TEST_CASE("sb16: direct samples are a level that stays until the next") {
  Rig rig;
  for (unsigned i = 0; i < 1000; ++i) {
    rig.dsp({0x10, i % 20 < 10 ? 0xc0u : 0x40u});
    rig.clock.run_for(kSecond / 10'000);
  }
  CHECK(rig.sink.gaps == 0);
  const unsigned rises = rig.sink.rises(0, rig.sink.frames.size());  // 500 Hz for 100 ms.
  CHECK(rises >= 48);
  CHECK(rises <= 51);
}

TEST_CASE("sb16: the MIDI port acknowledges its reset and goes into UART mode") {
  Rig rig;
  mmu::IoHandler& midi = rig.card.midi_ports();
  CHECK((in8(midi, 1) & 0xc0) == 0x80);
  out8(midi, 1, 0xff);
  CHECK((in8(midi, 1) & 0xc0) == 0x00);
  CHECK(in8(midi, 0) == 0xfe);
  out8(midi, 1, 0x3f);
  CHECK(in8(midi, 0) == 0xfe);
  out8(midi, 0, 0x90);
  out8(midi, 1, 0xff);  // Not acknowledged there.
  CHECK((in8(midi, 1) & 0x80) == 0x80);
}

TEST_CASE("sb16: a loaded card plays on as the saved one") {
  Rig first;
  first.program_bytes(kFromMemory | kAuto, 4096);
  first.dsp({0x48, 0xff, 0x01, 0x40, 0xd2, 0x1c, 0x41});
  first.clock.run_for(kSecond / 7);
  Rig second;
  REQUIRE(load(second.clock.scheduler, saved(first.clock.scheduler)));
  REQUIRE(load(second.dma, saved(first.dma)));
  REQUIRE(load(second.card, saved(first.card)));
  for (Rig* rig : {&first, &second}) {
    rig->dsp({0x56, 0x22, 0xd8});  // What waited gets its parameters.
    rig->clock.run_for(kSecond / 3);
  }
  CHECK(saved(first.card) == saved(second.card));
  CHECK(saved(first.dma) == saved(second.dma));
  CHECK(first.answer() == second.answer());
}
