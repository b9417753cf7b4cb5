#pragma once

// A floppy controller with its DMA channel and a disk, and the words a driver says to it.

#include <doctest/doctest.h>

#include <algorithm>
#include <initializer_list>
#include <vector>

#include "devices/floppy_82077.h"
#include "tests/support/device_rig.h"
#include "tests/unit/mmu/test_memory.h"

namespace doppel::test::floppy {

using namespace doppel::devices;

inline constexpr unsigned kDor = 2, kTdr = 3, kMsr = 4, kDsr = 4, kFifo = 5;
inline constexpr u64 kSectors1440 = 2880;
inline constexpr u32 kBuffer = 0x10000;

/// A disk whose sectors begin with their number.
struct Disk final : BlockBackend {
  explicit Disk(u64 count = kSectors1440) : bytes(count * kSectorBytes) {
    for (u64 i = 0; i < count; ++i) {
      bytes[i * kSectorBytes] = static_cast<u8>(i);
      bytes[i * kSectorBytes + 1] = static_cast<u8>(i >> 8);
    }
  }
  u64 sectors() const override { return bytes.size() / kSectorBytes; }
  bool is_read_only() const override { return read_only; }
  bool read(u64 sector, std::span<u8> out) override {
    if (broken || (sector + 1) * kSectorBytes > bytes.size()) return false;
    std::ranges::copy(at(sector).first(out.size()), out.begin());
    return true;
  }
  bool write(u64 sector, std::span<const u8> in) override {
    if (broken || read_only || (sector + 1) * kSectorBytes > bytes.size()) return false;
    std::ranges::copy(in, at(sector).begin());
    return true;
  }
  bool flush() override { return true; }
  bool discard(u64, u64) override { return true; }
  std::span<u8> at(u64 sector) { return std::span(bytes).subspan(sector * kSectorBytes); }

  std::vector<u8> bytes;
  bool read_only = false;
  bool broken = false;
};

struct Rig {
  Clock clock;
  Wire irq;
  mmu::TestMemory memory;
  Dma8237Pair dma{memory.physical};
  Disk disk;
  Floppy82077 floppy{clock.scheduler, irq, dma.channel(2)};

  Rig() {
    dma.reset();
    floppy.reset();
  }
  u8 get(unsigned port) { return in8(floppy.ports(), port); }
  void set(unsigned port, unsigned value) { out8(floppy.ports(), port, value); }
  u8 dir() { return in8(floppy.rate_port(), 0); }
  void set_rate(unsigned rate) { out8(floppy.rate_port(), 0, rate); }
  void wait() { clock.run_for(20'000'000); }

  void send(std::initializer_list<unsigned> bytes) {
    for (const unsigned byte : bytes) {
      REQUIRE((get(kMsr) & 0xc0) == 0x80);
      set(kFifo, byte);
    }
  }
  std::vector<u8> result() {
    std::vector<u8> bytes;
    while ((get(kMsr) & 0xd0) == 0xd0 && bytes.size() < 32) bytes.push_back(get(kFifo));
    return bytes;
  }
  /// A command with an execution phase: waits for its interrupt, reads its result.
  std::vector<u8> run(std::initializer_list<unsigned> bytes) {
    const unsigned before = irq.rises;
    send(bytes);
    CHECK(irq.rises == before);
    wait();
    CHECK(irq.rises == before + 1);
    CHECK(irq.level);
    const std::vector<u8> answer = result();
    CHECK_FALSE(irq.level);
    CHECK((get(kMsr) & 0xf0) == 0x80);
    return answer;
  }
  std::vector<u8> ask(std::initializer_list<unsigned> bytes) {
    send(bytes);
    return result();
  }
  /// Out of reset as a BIOS does it, a 1.44M disk in A, the head on track 0.
  void start() {
    REQUIRE(floppy.insert(0, &disk));
    set(kDor, 0x1c);
    wait();
    for (unsigned i = 0; i < 4; ++i) ask({0x08});
    set_rate(0);
    ask({0x03, 0xaf, 0x02});
    seek(0x07);
  }
  std::vector<u8> seek(unsigned command, unsigned cylinder = 0) {
    if (command == 0x07)
      send({command, 0});
    else
      send({command, 0, cylinder});
    wait();
    return ask({0x08});
  }
  void program_dma(unsigned mode, unsigned bytes) {
    mmu::IoHandler& ports = dma.byte_ports();
    out8(ports, 0x0a, 6);
    out8(ports, 0x0c, 0);
    out8(ports, 4, kBuffer & 0xff);
    out8(ports, 4, kBuffer >> 8 & 0xff);
    out8(ports, 5, (bytes - 1) & 0xff);
    out8(ports, 5, (bytes - 1) >> 8);
    out8(ports, 0x0b, mode | 2);
    out8(dma.page_ports(), 0, kBuffer >> 16);
    out8(ports, 0x0a, 2);
  }
  void expect_bytes(unsigned bytes) { program_dma(0x44, bytes); }
  void offer_bytes(unsigned bytes) { program_dma(0x48, bytes); }
  unsigned number_at(unsigned index) {
    return static_cast<unsigned>(memory.get(kBuffer + 512 * index, Width::Word));
  }
};

using Bytes = std::vector<u8>;

}  // namespace doppel::test::floppy
