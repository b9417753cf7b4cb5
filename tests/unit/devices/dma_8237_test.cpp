#include "devices/dma_8237.h"

#include <doctest/doctest.h>

#include <array>
#include <numeric>
#include <random>
#include <vector>

#include "tests/support/device_rig.h"
#include "tests/unit/mmu/test_memory.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

namespace {

constexpr unsigned kCommand = 0x08, kStatus = 0x08, kRequest = 0x09, kMask = 0x0a, kMode = 0x0b,
                   kClearFlipFlop = 0x0c, kMasterClear = 0x0d, kClearMask = 0x0e, kAllMask = 0x0f;
// MODE: single mode.
constexpr unsigned kToMemory = 0x44, kFromMemory = 0x48, kVerify = 0x40, kAuto = 0x10, kDown = 0x20;

struct Rig {
  mmu::TestMemory memory;
  Dma8237Pair dma{memory.physical};

  Rig() { dma.reset(); }
  u8 get(unsigned port) { return in8(handler(port), port - first(port)); }
  void set(unsigned port, unsigned value) { out8(handler(port), port - first(port), value); }

  /// As a BIOS sets channel 2 up for the floppy.
  void program(unsigned mode, u32 address, unsigned count, unsigned channel = 2) {
    constexpr unsigned kPages[] = {0x87, 0x83, 0x81, 0x82};
    set(kMask, 4 | channel);
    set(kClearFlipFlop, 0);
    set(2 * channel, address & 0xff);
    set(2 * channel, address >> 8 & 0xff);
    set(kClearFlipFlop, 0);
    set(2 * channel + 1, count & 0xff);
    set(2 * channel + 1, count >> 8);
    set(kMode, mode | channel);
    set(kPages[channel], address >> 16);
    set(kMask, channel);
  }
  unsigned word(unsigned port) {
    const unsigned low = get(port);
    return low | get(port) << 8u;
  }

 private:
  static unsigned first(unsigned port) { return port < 0x80 ? 0 : port < 0xc0 ? 0x81 : 0xc0; }
  mmu::IoHandler& handler(unsigned port) {
    return port < 0x80 ? dma.byte_ports() : port < 0xc0 ? dma.page_ports() : dma.word_ports();
  }
};

std::vector<u8> counting(size_t size) {
  std::vector<u8> bytes(size);
  std::iota(bytes.begin(), bytes.end(), u8{1});
  return bytes;
}

}  // namespace

TEST_CASE("dma: moves a chip's bytes to memory and ends with terminal count") {
  Rig rig;
  rig.program(kToMemory, 0x12345, 511);
  const std::vector<u8> bytes = counting(600);
  DmaChannel channel = rig.dma.channel(2);
  DmaMoved moved = channel.write_memory(std::span(bytes).first(200));
  CHECK(moved.bytes == 200);
  CHECK_FALSE(moved.terminal_count);
  CHECK(rig.get(kStatus) == 0);
  moved = channel.write_memory(std::span(bytes).subspan(200));
  CHECK(moved.bytes == 312);
  CHECK(moved.terminal_count);
  CHECK(rig.memory.get(0x12345, Width::Byte) == 1);
  CHECK(rig.memory.get(0x12345 + 511, Width::Byte) == bytes[511]);
  CHECK(rig.memory.get(0x12345 + 512, Width::Byte) == 0);
  // It masked itself; STATUS tells once.
  CHECK(channel.write_memory(bytes).bytes == 0);
  CHECK(rig.get(kAllMask) == 0xff);
  CHECK(rig.get(kStatus) == 0x04);
  CHECK(rig.get(kStatus) == 0x00);
  CHECK(rig.word(4) == 0x2545);
  CHECK(rig.word(5) == 0xffff);
}

TEST_CASE("dma: moves memory to a chip") {
  Rig rig;
  rig.memory.put(0x2fffe, 0x44332211, Width::Dword);
  rig.memory.put(0x20000, 0x88776655, Width::Dword);
  rig.program(kFromMemory, 0x2fffe, 3);
  std::array<u8, 8> out{};
  const DmaMoved moved = rig.dma.channel(2).read_memory(out);
  CHECK(moved.bytes == 4);
  CHECK(moved.terminal_count);
  // The page does not count along.
  CHECK(out == std::array<u8, 8>{0x11, 0x22, 0x55, 0x66, 0, 0, 0, 0});
}

TEST_CASE("dma: word channels move words within pages of 128 KiB") {
  Rig rig;
  const std::vector<u8> bytes = counting(8);
  rig.set(0xd8, 0);
  rig.set(0xc4, 0xff);
  rig.set(0xc4, 0xff);  // The page's last word.
  rig.set(0xc6, 1);
  rig.set(0xc6, 0);
  rig.set(0xd6, kToMemory | 1);
  rig.set(0x8b, 0x13);  // Bit 0 is not connected.
  rig.set(0xd4, 1);
  const DmaMoved moved = rig.dma.channel(5).write_memory(std::span(bytes).first(5));
  CHECK(moved.bytes == 4);
  CHECK(moved.terminal_count);
  CHECK(rig.memory.get(0x13fffe, Width::Word) == 0x0201);
  CHECK(rig.memory.get(0x120000, Width::Word) == 0x0403);
  CHECK(rig.get(0xd0) == 0x02);
  // The odd ports are the even ones again.
  CHECK(rig.get(0xdf) == 0xff);
  rig.set(0xdd, 0);
  CHECK(rig.get(0xd1) == 0);
}

TEST_CASE("dma: each channel has its own page register, and the others are memory") {
  Rig rig;
  constexpr unsigned kPages[] = {0x87, 0x83, 0x81, 0x82};
  for (unsigned channel = 0; channel < 4; ++channel) {
    rig.program(kToMemory, (channel + 3) << 16, 0, channel);
    CHECK(rig.get(kPages[channel]) == channel + 3);
    const u8 byte = static_cast<u8>(0x50 + channel);
    CHECK(rig.dma.channel(channel).write_memory(std::span(&byte, 1)).terminal_count);
    CHECK(rig.memory.get((channel + 3) << 16, Width::Byte) == byte);
  }
  constexpr unsigned kWordPages[] = {0x8b, 0x89, 0x8a};
  for (unsigned channel = 1; channel < 4; ++channel) {
    rig.set(kWordPages[channel - 1], channel << 4);
    rig.set(0xd6, kToMemory | channel);
    rig.set(0xd4, channel);
    const u8 word[] = {static_cast<u8>(channel), 0x77};
    CHECK(rig.dma.channel(4 + channel).write_memory(word).bytes == 2);
    CHECK(rig.memory.get(u64{channel} << 20, Width::Word) == (0x7700 | channel));
  }
  for (unsigned port = 0x81; port <= 0x8f; ++port) rig.set(port, port);
  for (unsigned port = 0x81; port <= 0x8f; ++port) CHECK(rig.get(port) == port);
}

TEST_CASE("dma: auto-initialize starts over and stays unmasked") {
  Rig rig;
  rig.program(kToMemory | kAuto, 0x4000, 3);
  const std::vector<u8> bytes = counting(8);
  DmaChannel channel = rig.dma.channel(2);
  DmaMoved moved = channel.write_memory(bytes);
  CHECK(moved.bytes == 4);
  CHECK(moved.terminal_count);
  CHECK(rig.get(kStatus) == 0x04);
  moved = channel.write_memory(std::span(bytes).subspan(4));
  CHECK(moved.terminal_count);
  CHECK(rig.memory.get(0x4000, Width::Dword) == 0x08070605);
  CHECK(rig.word(4) == 0x4000);
  CHECK(rig.word(5) == 3);
}

TEST_CASE("dma: decrement goes down from the address") {
  Rig rig;
  rig.program(kToMemory | kDown, 0x50001, 3);
  CHECK(rig.dma.channel(2).write_memory(counting(4)).terminal_count);
  CHECK(rig.memory.get(0x50000, Width::Word) == 0x0102);
  CHECK(rig.memory.get(0x5fffe, Width::Word) == 0x0304);
}

TEST_CASE("dma: a verify transfer counts and moves nothing") {
  Rig rig;
  rig.program(kVerify, 0x6000, 3);
  CHECK(rig.dma.channel(2).write_memory(counting(4)).terminal_count);
  CHECK(rig.memory.get(0x6000) == 0);
  // Nor does a channel that is set the other way round.
  rig.memory.put(0x6000, 0x5555, Width::Word);
  rig.program(kToMemory, 0x6000, 1);
  std::array<u8, 2> out{};
  CHECK(rig.dma.channel(2).read_memory(out).terminal_count);
  CHECK(out == std::array<u8, 2>{0xff, 0xff});
  rig.program(kFromMemory, 0x6000, 1);
  CHECK(rig.dma.channel(2).write_memory(counting(2)).bytes == 2);
  CHECK(rig.memory.get(0x6000, Width::Word) == 0x5555);
}

TEST_CASE("dma: nothing moves while masked, disabled or cascaded") {
  Rig rig;
  const std::vector<u8> bytes = counting(4);
  DmaChannel channel = rig.dma.channel(2);
  CHECK(channel.write_memory(bytes).bytes == 0);  // Reset masks all.
  rig.program(kToMemory, 0x7000, 0xff);
  rig.set(kMask, 6);
  CHECK(channel.write_memory(bytes).bytes == 0);
  rig.set(kMask, 2);
  CHECK(channel.write_memory(bytes).bytes == 4);
  rig.set(kAllMask, 0x0f);
  CHECK(channel.write_memory(bytes).bytes == 0);
  rig.set(kClearMask, 0);
  CHECK(channel.write_memory(bytes).bytes == 4);
  rig.set(kCommand, 0x04);
  CHECK(channel.write_memory(bytes).bytes == 0);
  rig.set(kCommand, 0x00);
  rig.set(kMode, 0xc0 | kToMemory | 2);
  CHECK(channel.write_memory(bytes).bytes == 0);
  rig.set(kMode, kToMemory | 2);
  rig.set(kMasterClear, 0);
  CHECK(channel.write_memory(bytes).bytes == 0);
  CHECK(rig.word(5) == 0xff - 8);
}

TEST_CASE("dma: the flip-flop chooses the byte, master clear and its own port reset it") {
  Rig rig;
  rig.set(0, 0x34);
  rig.set(0, 0x12);
  CHECK(rig.get(0) == 0x34);
  CHECK(rig.get(0) == 0x12);
  CHECK(rig.get(0) == 0x34);
  rig.set(kClearFlipFlop, 0);
  CHECK(rig.get(0) == 0x34);
  rig.set(kMasterClear, 0);
  CHECK(rig.get(0) == 0x34);
  CHECK(rig.get(kMasterClear) == 0);  // The temporary register.
}

TEST_CASE("dma: a software request shows in STATUS until terminal count") {
  Rig rig;
  rig.program(kToMemory, 0x7000, 0);
  rig.set(kRequest, 0x06);
  rig.set(kRequest, 0x05);
  CHECK(rig.get(kStatus) == 0x60);
  rig.set(kRequest, 0x01);
  CHECK(rig.get(kStatus) == 0x40);
  CHECK(rig.dma.channel(2).write_memory(counting(1)).terminal_count);
  CHECK(rig.get(kStatus) == 0x04);
}

TEST_CASE("dma: a saved pair goes on in the middle of a transfer") {
  Rig rig;
  rig.program(kToMemory, 0x8000, 7);
  const std::vector<u8> bytes = counting(8);
  rig.dma.channel(2).write_memory(std::span(bytes).first(3));
  rig.set(4, 0);  // One byte of two.
  Rig other;
  REQUIRE(load(other.dma, saved(rig.dma)));
  CHECK(saved(other.dma) == saved(rig.dma));
  other.set(4, 0x90);
  CHECK(other.dma.channel(2).write_memory(std::span(bytes).subspan(3)).terminal_count);
  CHECK(other.memory.get(0x9000, Width::Dword) == 0x07060504);
}

TEST_CASE("dma: whatever is written, a transfer stays within what was offered") {
  Rig rig;
  std::mt19937 random(1);
  std::vector<u8> bytes(3000);
  for (unsigned i = 0; i < 20'000; ++i) {
    const unsigned group = random() % 3;
    const unsigned port = group == 0   ? random() % 0x10
                          : group == 1 ? 0x81 + random() % 0x0f
                                       : 0xc0 + random() % 0x20;
    if (random() % 4 != 0)
      rig.set(port, random() & 0xff);
    else
      rig.get(port);
    if (i % 16 != 0) continue;
    DmaChannel channel = rig.dma.channel(random() % 8);
    const std::span<u8> some = std::span(bytes).first(random() % bytes.size());
    const DmaMoved moved = random() % 2 ? channel.read_memory(some) : channel.write_memory(some);
    REQUIRE(moved.bytes <= some.size());
  }
}
