#include "devices/ioapic.h"

#include <doctest/doctest.h>

#include "devices/lapic.h"
#include "devices/lapic_registers.h"
#include "tests/support/device_rig.h"
#include "tests/support/recording_processor.h"

namespace doppel::devices {
namespace {

constexpr u32 kMasked = 1u << 16;
constexpr u32 kLevel = 1u << 15;
constexpr u32 kRemoteIrr = 1u << 14;

struct System final : LocalApicHost {
  test::Clock clock;
  TimestampCounter tsc{clock.scheduler, 0};
  ApicBus bus;
  test::RecordingProcessor processor;
  LocalApic lapic{0, bus, clock.scheduler, tsc, processor, *this};
  IoApic ioapic{bus, [] { return u8{0x0b}; }};

  System() {
    lapic.reset();
    lapic.write(lapic_registers::kSvr, Width::Dword, 0x1ff);
    ioapic.reset();
  }
  void local_apic_output_changed(LocalApic&) override {}
  void local_apic_moved(LocalApic&) override {}

  u32 get(u8 index) {
    ioapic.write(0x00, Width::Dword, index);
    return static_cast<u32>(ioapic.read(0x10, Width::Dword));
  }
  void set(u8 index, u32 value) {
    ioapic.write(0x00, Width::Dword, index);
    ioapic.write(0x10, Width::Dword, value);
  }
  void route(unsigned pin, u32 low, u32 high = 0) {
    set(static_cast<u8>(0x11 + 2 * pin), high);
    set(static_cast<u8>(0x10 + 2 * pin), low);
  }
  u32 entry(unsigned pin) { return get(static_cast<u8>(0x10 + 2 * pin)); }
  void end_of_interrupt() { lapic.write(lapic_registers::kEoi, Width::Dword, 0); }
};

TEST_CASE("ioapic: tells its version and pins and starts with everything masked") {
  System s;
  CHECK(s.get(1) == 0x0017'0020);
  for (unsigned pin = 0; pin < 24; ++pin) CHECK(s.entry(pin) == kMasked);
  s.set(0, 0x0500'0000);
  CHECK(s.get(0) == 0x0500'0000);
  CHECK(s.get(2) == 0x0500'0000);
}

TEST_CASE("ioapic: registers that do not exist read zero and take nothing") {
  System s;
  for (unsigned index : {0x03u, 0x0fu, 0x40u, 0x41u, 0xffu}) {
    s.set(static_cast<u8>(index), 0xffff'ffff);
    CHECK(s.get(static_cast<u8>(index)) == 0);
  }
}

TEST_CASE("ioapic: each rising edge is one message") {
  System s;
  s.route(4, 0x34);
  s.ioapic.pin(4).set(true);
  CHECK(s.lapic.acknowledge() == 0x34);
  s.end_of_interrupt();
  CHECK_FALSE(s.lapic.wants_interrupt());
  s.ioapic.pin(4).set(true);  // No edge.
  CHECK_FALSE(s.lapic.wants_interrupt());
  s.ioapic.pin(4).set(false);
  s.ioapic.pin(4).set(true);
  CHECK(s.lapic.wants_interrupt());
}

TEST_CASE("ioapic: an edge into a masked pin is lost") {
  System s;
  s.route(4, kMasked | 0x34);
  s.ioapic.pin(4).pulse();
  s.route(4, 0x34);
  CHECK_FALSE(s.lapic.wants_interrupt());
}

TEST_CASE("ioapic: a level is sent once, and again after EOI while it is asserted") {
  System s;
  s.route(10, kLevel | 0x50);
  s.ioapic.pin(10).set(true);
  CHECK(s.entry(10) == (kLevel | kRemoteIrr | 0x50));
  CHECK(s.lapic.acknowledge() == 0x50);
  CHECK_FALSE(s.lapic.wants_interrupt());
  s.end_of_interrupt();
  CHECK(s.lapic.wants_interrupt());  // Still asserted.
  CHECK(s.lapic.acknowledge() == 0x50);
  s.ioapic.pin(10).set(false);
  s.end_of_interrupt();
  CHECK_FALSE(s.lapic.wants_interrupt());
  CHECK(s.entry(10) == (kLevel | 0x50));
}

TEST_CASE("ioapic: a masked level waits and is sent when unmasked") {
  System s;
  s.route(10, kMasked | kLevel | 0x50);
  s.ioapic.pin(10).set(true);
  CHECK_FALSE(s.lapic.wants_interrupt());
  s.route(10, kLevel | 0x50);
  CHECK(s.lapic.acknowledge() == 0x50);
}

TEST_CASE("ioapic: remote IRR is not software's, but going to edge mode clears it") {
  System s;
  s.route(10, kLevel | 0x50);
  s.ioapic.pin(10).set(true);
  s.route(10, kLevel | kMasked | 0x50);
  CHECK((s.entry(10) & kRemoteIrr) != 0);
  s.route(10, kMasked | 0x50);
  CHECK((s.entry(10) & kRemoteIrr) == 0);
  s.route(11, kLevel | kRemoteIrr | 1u << 12 | kMasked | 0x51);
  CHECK(s.entry(11) == (kLevel | kMasked | 0x51));
}

TEST_CASE("ioapic: the EOI register ends a vector directly") {
  System s;
  s.route(10, kLevel | 0x50);
  s.ioapic.pin(10).set(true);
  s.ioapic.pin(10).set(false);
  s.ioapic.write(0x40, Width::Dword, 0x51);
  CHECK((s.entry(10) & kRemoteIrr) != 0);
  s.ioapic.write(0x40, Width::Dword, 0x50);
  CHECK((s.entry(10) & kRemoteIrr) == 0);
}

TEST_CASE("ioapic: nobody at the destination leaves no remote IRR behind") {
  System s;
  s.route(10, kLevel | 0x50, 7u << 24);
  s.ioapic.pin(10).set(true);
  CHECK((s.entry(10) & kRemoteIrr) == 0);
  s.route(10, kLevel | 0x50, 0xffu << 24);  // Broadcast.
  CHECK(s.lapic.acknowledge() == 0x50);
}

TEST_CASE("ioapic: logical destinations and NMI, ExtINT delivery") {
  System s;
  s.lapic.write(lapic_registers::kLdr, Width::Dword, 0x0400'0000);
  s.route(3, 1u << 11 | 0x33, 0x04u << 24);
  s.ioapic.pin(3).pulse();
  CHECK(s.lapic.acknowledge() == 0x33);
  s.route(5, 4u << 8);
  s.ioapic.pin(5).pulse();
  CHECK(s.processor.nmis == 1);
  IoApic with_pic(s.bus, [] { return u8{0x6b}; });
  with_pic.reset();
  with_pic.write(0x00, Width::Dword, 0x10);
  with_pic.write(0x10, Width::Dword, 7u << 8);
  with_pic.pin(0).pulse();
  CHECK(s.lapic.acknowledge() == 0x6b);
}

}  // namespace
}  // namespace doppel::devices
