#include "devices/vga.h"

#include <doctest/doctest.h>

#include "tests/support/device_rig.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

namespace {

constexpr u64 kMiB = 1 << 20;
constexpr u64 kFrame = 0xfd00'0000;
constexpr u64 kRegisters = 0xfebf'0000;
constexpr u64 kRetraceNs = 16'666'667;

struct CardRig {
  Clock clock;
  mmu::MachineMemory machine = mmu::MachineMemory::create(8 * kMiB).take();
  mmu::Pmap pmap{machine, 2048};
  mmu::IoMap mmio;
  mmu::PhysicalMemory memory{pmap, mmio};
  std::unique_ptr<mmu::DeviceMemory> video = mmu::DeviceMemory::create(memory, 4 * kMiB).take();
  Vga vga{*video, mmio, clock.scheduler, {}};
  Picture picture;

  CardRig() {
    vga.reset();
    vga.write_config(0x10, 4, kFrame);
    vga.write_config(0x18, 4, kRegisters);
    vga.write_config(4, 2, 2);
  }
  u64 get(u64 offset, Width width) { return memory.read(PhysAddr(kRegisters + offset), width); }
  void set(u64 offset, Width width, u64 value) {
    memory.write(PhysAddr(kRegisters + offset), width, value);
  }
  void vbe(unsigned index, unsigned value) { set(0x500 + 2 * index, Width::Word, value); }
  /// As Linux's bochs-drm does, which uses no ports.
  void set_mode() {
    set(0x402, Width::Byte, 1);
    get(0x41a, Width::Byte);
    set(0x400, Width::Byte, 0x20);
    const unsigned values[]{0, 32, 1024, 768, 0, 1024, 768, 0, 0, 0x41};
    const unsigned indices[]{4, 3, 1, 2, 5, 6, 7, 8, 9, 4};
    for (unsigned i = 0; i < 10; ++i) vbe(indices[i], values[i]);
  }
  /// A pixel through the linear window; a row of the mode above is a page.
  void draw(unsigned row, u32 colour) {
    memory.write(PhysAddr(kFrame + row * 4096), Width::Dword, colour);
  }
  bool watched(unsigned row) { return !memory.host_page(PhysAddr(kFrame + row * 4096)).writable; }
  DisplaySource::Change update() { return vga.adapter().update(picture); }
};

}  // namespace

TEST_CASE("vga card: is the adapter that drivers look for, with its registers in memory") {
  CardRig rig;
  CHECK(rig.vga.read_config(0) == 0x34);
  CHECK(rig.vga.read_config(2) == 0x11);
  CHECK(rig.vga.read_config(0x0b) == 3);
  CHECK(rig.vga.read_config(0x0a) == 0);
  CHECK(rig.get(0x500, Width::Word) == 0xb0c5);
  CHECK(rig.get(0x514, Width::Word) == 64);
  CHECK(rig.get(0x600, Width::Dword) == 8);
  CHECK(rig.get(0x604, Width::Dword) == 0x1e1e'1e1e);
  CHECK(rig.get(0, Width::Dword) == 0xffff'ffff);
  // An index and its data as one word.
  rig.set(0x404, Width::Word, 0x0d02);
  CHECK(rig.get(0x405, Width::Byte) == 0x0d);
  CHECK(rig.get(0x404, Width::Word) == 0x0d02);
}

TEST_CASE("vga card: a first store through the linear window shows, later ones after a retrace") {
  CardRig rig;
  rig.set_mode();
  CHECK(rig.update().end == 768);
  CHECK(rig.watched(10));
  rig.draw(10, 0x42);
  CHECK_FALSE(rig.watched(10));
  CHECK(rig.watched(11));
  DisplaySource::Change change = rig.update();
  CHECK(change.first == 10);
  CHECK(change.end == 11);
  CHECK(rig.picture.pixels[10 * 1024] == 0x42);
  rig.draw(10, 0x43);
  CHECK(rig.update().end == 0);
  rig.clock.run_for(kRetraceNs);
  CHECK(rig.watched(10));
  change = rig.update();
  CHECK(change.first == 10);
  CHECK(change.end == 11);
  CHECK(rig.picture.pixels[10 * 1024] == 0x43);
  CHECK(rig.clock.scheduler.next_deadline_ns() == Scheduler::kNever);
}

TEST_CASE("vga card: what is watched depends on stores and retraces, not on who looks") {
  CardRig looked_at, alone;
  for (CardRig* rig : {&looked_at, &alone}) {
    rig->set_mode();
    for (unsigned i = 0; i < 5; ++i) {
      rig->draw(3 * i, i);
      if (rig == &looked_at) rig->update();
      rig->clock.run_for(kRetraceNs / 2);
    }
  }
  for (unsigned row = 0; row < 20; ++row) CHECK(looked_at.watched(row) == alone.watched(row));
  CHECK(saved(looked_at.vga) == saved(alone.vga));
}

TEST_CASE("vga card: a saved card remembers which pages wait for the retrace") {
  CardRig rig;
  rig.set_mode();
  rig.draw(7, 1);
  const std::vector<u8> bytes = saved(rig.vga);
  CardRig copy;
  REQUIRE(load(copy.vga, bytes));
  CHECK_FALSE(copy.watched(7));
  CHECK(copy.watched(8));
  CHECK(saved(copy.vga) == bytes);
}
