#include "devices/pci_host.h"

#include <doctest/doctest.h>

#include <vector>

#include "tests/support/device_rig.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

namespace {

constexpr u64 kArea = 0xc0000;
constexpr u64 kAreaBytes = 0x40000;

/// RAM below the hole, a ROM in all of the area whose bytes tell their page.
struct Rig {
  mmu::MachineMemory machine = mmu::MachineMemory::create(8u << 20).take();
  mmu::Pmap pmap{machine, machine.total_frames()};
  mmu::IoMap mmio;
  mmu::PhysicalMemory memory{pmap, mmio};
  PciHost host{memory};
  unsigned remaps = 0;

  Rig() {
    REQUIRE(pmap.add_ram(PhysAddr(0), 0xa0000));
    std::vector<u8> rom(kAreaBytes);
    for (u64 i = 0; i < rom.size(); ++i) rom[i] = static_cast<u8>(i >> 12 | 0x80);
    REQUIRE(pmap.add_rom(PhysAddr(kArea), rom.data(), rom.size()).ok());
    memory.set_remap_hook([this] { ++remaps; });
    host.reset();
  }
  void pam(unsigned index, u8 value) { host.write_config(PciHost::kPam0 + index, 1, value); }
  u8 get(u64 address) { return memory.read<u8>(PhysAddr(address)); }
  void set(u64 address, u8 value) { memory.write(PhysAddr(address), Width::Byte, value); }
  bool is_writable(u64 address) {
    const u8 before = get(address);
    set(address, static_cast<u8>(~before));
    const bool changed = get(address) != before;
    set(address, before);
    return changed;
  }
};

}  // namespace

TEST_CASE("pci_host: the ROM area is ROM, then RAM, then RAM that is locked, as firmware says") {
  Rig rig;
  CHECK(rig.get(0xf1234) == 0xb1);
  CHECK_FALSE(rig.is_writable(0xf1234));
  rig.pam(0, 0x30);
  CHECK(rig.get(0xf1234) == 0xb1);  // As if copied.
  rig.set(0xf1234, 0x42);
  CHECK(rig.get(0xf1234) == 0x42);
  rig.pam(0, 0x10);
  CHECK(rig.get(0xf1234) == 0x42);
  CHECK_FALSE(rig.is_writable(0xf1234));
  rig.pam(0, 0x00);
  CHECK(rig.get(0xf1234) == 0xb1);
  rig.pam(0, 0x30);
  CHECK(rig.get(0xf1234) == 0x42);
  rig.host.reset();
  CHECK(rig.get(0xf1234) == 0xb1);
}

TEST_CASE("pci_host: each half of a PAM register is a segment of its own") {
  Rig rig;
  for (unsigned index = 1; index < 7; ++index) {
    for (unsigned half = 0; half < 2; ++half) {
      rig.pam(index, half == 0 ? 0x03 : 0x30);
      const u64 segment = kArea + ((index - 1) * 2 + half) * 0x4000;
      for (u64 at = kArea; at < kArea + kAreaBytes; at += 0x1000) {
        const bool inside = at >= segment && at < segment + 0x4000;
        CHECK(rig.is_writable(at) == inside);
      }
      rig.pam(index, 0);
    }
  }
  rig.pam(0, 0x33);  // Its lower half is reserved.
  CHECK(rig.host.read_config(PciHost::kPam0) == 0x30);
  CHECK(rig.is_writable(0xfffff));
  CHECK_FALSE(rig.is_writable(0xeffff));
}

TEST_CASE("pci_host: processors forget what they know of a segment that changes, and only then") {
  Rig rig;
  rig.pam(1, 0x03);
  CHECK(rig.remaps == 1);
  rig.pam(1, 0x03);
  rig.host.write_config(0x50, 2, 0x1234);
  CHECK(rig.remaps == 1);
  rig.pam(1, 0x33);
  CHECK(rig.remaps == 2);
  // Code there is told, too.
  std::vector<u64> told;
  rig.memory.tracking().set_observer(mmu::TrackReason::Code,
                                     [&](PhysAddr page, u64) { told.push_back(page.value); });
  rig.memory.tracking().track_code(PhysAddr(0xd0100), 16);
  rig.memory.tracking().track_code(PhysAddr(0xd4100), 16);
  rig.pam(3, 0x03);
  CHECK(told == std::vector<u64>{0xd0000});
}

TEST_CASE("pci_host: a machine without ROM has RAM there, whatever is written") {
  mmu::MachineMemory machine = mmu::MachineMemory::create(8u << 20).take();
  mmu::Pmap pmap(machine, machine.total_frames());
  mmu::IoMap mmio;
  mmu::PhysicalMemory memory(pmap, mmio);
  REQUIRE(pmap.add_ram(PhysAddr(0), 1u << 20));
  PciHost host(memory);
  host.reset();
  memory.write(PhysAddr(0xf0000), Width::Byte, 0x11);
  for (const u8 value : {0x10, 0x30, 0x00}) {
    host.write_config(PciHost::kPam0, 1, value);
    CHECK(memory.read<u8>(PhysAddr(0xf0000)) == 0x11);
  }
}
