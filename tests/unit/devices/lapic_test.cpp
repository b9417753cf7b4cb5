#include "devices/lapic.h"

#include <doctest/doctest.h>

#include "cpu/arch/msr.h"
#include "devices/lapic_registers.h"
#include "tests/support/device_rig.h"
#include "tests/support/recording_processor.h"

namespace doppel::devices {
namespace {

using namespace lapic_registers;

struct Host final : LocalApicHost {
  unsigned moves = 0;
  void local_apic_output_changed(LocalApic&) override {}
  void local_apic_moved(LocalApic&) override { ++moves; }
};

/// Two local APICs on a bus, as a driver finds them: on, with vectors FFh as spurious.
struct Apics {
  test::Clock clock;
  TimestampCounter tsc{clock.scheduler, 1'000'000'000};
  ApicBus bus;
  Host host;
  test::RecordingProcessor processors[2];
  LocalApic apic{0, bus, clock.scheduler, tsc, processors[0], host};
  LocalApic other{1, bus, clock.scheduler, tsc, processors[1], host};

  Apics() {
    for (LocalApic* each : {&apic, &other}) {
      each->reset();
      each->write(kSvr, Width::Dword, 0x1ff);
    }
  }
  u32 get(u32 reg) { return static_cast<u32>(apic.read(reg, Width::Dword)); }
  void set(u32 reg, u32 value) { apic.write(reg, Width::Dword, value); }
  void interrupt(u8 vector, bool level = false) {
    bus.send({.vector = vector, .level_triggered = level, .destination = 0});
  }
  void use_x2apic() { REQUIRE(apic.write_msr(msr::APIC_BASE, 0xfee0'0d00)); }
  bool refuses(u32 index, u64 value) { return !apic.write_msr(index, value); }
};

TEST_CASE("lapic: has the state of the manual after reset") {
  Apics a;
  a.apic.reset();
  CHECK(a.get(kSvr) == 0xff);
  CHECK(a.get(kDfr) == 0xffff'ffff);
  for (u32 reg = kLvtTimer; reg <= kLvtError; reg += 16) CHECK(a.get(reg) == 0x1'0000);
  CHECK(a.get(kVersion) == 0x0005'0014);
  u64 base = 0;
  CHECK(a.apic.read_msr(msr::APIC_BASE, base));
  CHECK(base == 0xfee0'0900);
  CHECK(a.other.read_msr(msr::APIC_BASE, base));
  CHECK(base == 0xfee0'0800);  // Not the bootstrap processor.
}

TEST_CASE("lapic: acknowledges the highest vector first and nests by class") {
  Apics a;
  a.interrupt(0x31);
  a.interrupt(0x52);
  CHECK(a.apic.wants_interrupt());
  CHECK(a.apic.acknowledge() == 0x52);
  CHECK(a.get(kPpr) == 0x50);
  CHECK_FALSE(a.apic.wants_interrupt());  // 31h waits for 52h.
  a.interrupt(0x5f);
  CHECK_FALSE(a.apic.wants_interrupt());  // Same class.
  a.interrupt(0x60);
  CHECK(a.apic.acknowledge() == 0x60);
  a.set(kEoi, 0);  // Ends 60h, the highest in service.
  CHECK(a.get(kPpr) == 0x50);
  CHECK_FALSE(a.apic.wants_interrupt());
  a.set(kEoi, 0);
  CHECK(a.apic.acknowledge() == 0x5f);
  a.set(kEoi, 0);
  CHECK(a.apic.acknowledge() == 0x31);
  a.set(kEoi, 0);
  CHECK(a.get(kPpr) == 0);
}

TEST_CASE("lapic: shows requests, service and trigger modes in the right registers") {
  Apics a;
  a.interrupt(0x41, true);
  a.interrupt(0xfe);
  CHECK(a.get(kIrr + 0x20) == 1u << 1);
  CHECK(a.get(kIrr + 0x70) == 1u << 30);
  CHECK(a.get(kTmr + 0x20) == 1u << 1);
  CHECK(a.get(kTmr + 0x70) == 0);
  CHECK(a.apic.acknowledge() == 0xfe);
  CHECK(a.get(kIsr + 0x70) == 1u << 30);
  CHECK(a.get(kIrr + 0x70) == 0);
}

TEST_CASE("lapic: task priority holds back its class and below, and CR8 is its upper half") {
  Apics a;
  a.interrupt(0x4f);
  a.set(kTpr, 0x40);
  CHECK(a.apic.cr8() == 4);
  CHECK_FALSE(a.apic.wants_interrupt());
  CHECK(a.apic.acknowledge() == 0xff);  // Spurious; nothing enters service.
  CHECK(a.get(kIsr + 0x20) == 0);
  a.apic.set_cr8(3);
  CHECK(a.get(kTpr) == 0x30);
  CHECK(a.apic.wants_interrupt());
}

TEST_CASE("lapic: a level-triggered vector tells the bus of its end, an edge does not") {
  struct Listener final : EndOfInterruptListener {
    std::vector<u8> ends;
    void end_of_interrupt(u8 vector) override { ends.push_back(vector); }
  } listener;
  Apics a;
  a.bus.attach(listener);
  a.interrupt(0x40);
  a.apic.acknowledge();
  a.set(kEoi, 0);
  CHECK(listener.ends.empty());
  a.interrupt(0x44, true);
  a.apic.acknowledge();
  a.set(kEoi, 0);
  CHECK(listener.ends == std::vector<u8>{0x44});
  a.set(kEoi, 0);  // Nothing in service: nothing happens.
  CHECK(listener.ends.size() == 1);
}

TEST_CASE("lapic: software disable masks the LVT and lets the 8259 through") {
  Apics a;
  CHECK_FALSE(a.apic.accepts_pic());
  a.set(kLvtLint0, 0x700);
  CHECK(a.apic.accepts_pic());
  a.set(kLvtLint0, 0x1'0700);
  CHECK_FALSE(a.apic.accepts_pic());
  a.set(kLvtTimer, 0x30);
  a.set(kSvr, 0xff);
  CHECK(a.apic.accepts_pic());
  CHECK(a.get(kLvtTimer) == 0x1'0030);
  a.set(kLvtTimer, 0x30);
  CHECK(a.get(kLvtTimer) == 0x1'0030);  // The mask cannot be cleared while disabled.
  a.interrupt(0x50);
  CHECK(a.get(kIrr + 0x20) == 0);
}

TEST_CASE("lapic: virtual wire passes the 8259 and makes LINT1 an NMI") {
  Apics a;
  a.apic.reset();
  a.apic.configure_virtual_wire();
  CHECK(a.apic.accepts_pic());
  a.apic.set_lint(1, true);
  a.apic.set_lint(1, true);
  CHECK(a.processors[0].nmis == 1);
}

TEST_CASE("lapic: LINT0 in fixed level mode asks again after EOI while it stays high") {
  Apics a;
  a.set(kLvtLint0, 0x8000 | 0x45);
  a.apic.set_lint(0, true);
  CHECK(a.apic.acknowledge() == 0x45);
  CHECK((a.get(kLvtLint0) & kRemoteIrr) != 0);
  CHECK_FALSE(a.apic.wants_interrupt());
  a.set(kEoi, 0);
  CHECK(a.apic.acknowledge() == 0x45);
  a.apic.set_lint(0, false);
  a.set(kEoi, 0);
  CHECK_FALSE(a.apic.wants_interrupt());
}

TEST_CASE("lapic: ICR sends fixed, NMI, INIT and start-up to the processor named") {
  Apics a;
  a.set(kIcrHigh, 1u << 24);
  a.set(kIcrLow, 0x0'4041);
  CHECK(a.other.acknowledge() == 0x41);
  CHECK_FALSE(a.apic.wants_interrupt());
  a.set(kIcrLow, 0x0'4400);
  CHECK(a.processors[1].nmis == 1);
  a.set(kIcrLow, 0x0'c500);  // INIT, level assert.
  CHECK(a.processors[1].inits == 1);
  CHECK(a.other.read(kSvr, Width::Dword) == 0xff);  // Its local APIC went back to reset state.
  a.set(kIcrLow, 0x0'8500);                         // INIT level de-assert: no effect.
  CHECK(a.processors[1].inits == 1);
  a.set(kIcrLow, 0x0'4699);
  CHECK(a.processors[1].startups == std::vector<u8>{0x99});
  CHECK(a.processors[0].inits == 0);
  CHECK((a.get(kIcrLow) & 1u << 12) == 0);  // Idle.
}

TEST_CASE("lapic: ICR shorthands reach self, all and all others") {
  Apics a;
  a.set(kIcrLow, 1u << 18 | 0x4041);
  CHECK(a.apic.acknowledge() == 0x41);
  CHECK_FALSE(a.other.wants_interrupt());
  a.set(kEoi, 0);
  a.set(kIcrLow, 2u << 18 | 0x4042);
  CHECK(a.apic.acknowledge() == 0x42);
  CHECK(a.other.acknowledge() == 0x42);
  a.set(kEoi, 0);
  a.set(kIcrLow, 3u << 18 | 0x4053);
  CHECK_FALSE(a.apic.wants_interrupt());
  CHECK(a.other.acknowledge() == 0x53);
}

TEST_CASE(
    "lapic: logical destinations select by bit in the flat and by cluster in the other model") {
  Apics a;
  a.set(kLdr, 0x01u << 24);
  a.other.write(kLdr, Width::Dword, 0x02u << 24);
  CHECK_FALSE(a.apic.is_addressed({.logical = true, .destination = 2}));
  CHECK(a.other.is_addressed({.logical = true, .destination = 2}));
  CHECK(a.apic.is_addressed({.logical = true, .destination = 3}));
  a.set(kDfr, 0x0fff'ffff);
  a.set(kLdr, 0x21u << 24);  // Cluster 2, member 1.
  CHECK(a.apic.is_addressed({.logical = true, .destination = 0x23}));
  CHECK_FALSE(a.apic.is_addressed({.logical = true, .destination = 0x31}));
  CHECK_FALSE(a.apic.is_addressed({.logical = true, .destination = 0x22}));
}

TEST_CASE("lapic: lowest priority goes to one processor, the one with the least to do") {
  Apics a;
  a.set(kTpr, 0x80);
  CHECK(a.bus.send({.mode = DeliveryMode::LowestPriority, .vector = 0x90, .destination = 0xff}));
  CHECK_FALSE(a.apic.wants_interrupt());
  CHECK(a.other.acknowledge() == 0x90);
}

TEST_CASE("lapic: illegal vectors and registers are collected in ESR and raise the error entry") {
  Apics a;
  a.set(kLvtError, 0x77);
  a.set(kIcrLow, 1u << 18 | 0x4005);
  CHECK(a.apic.acknowledge() == 0x77);
  CHECK(a.get(kEsr) == 0);  // Shown after a write.
  a.set(kEsr, 0);
  CHECK(a.get(kEsr) == kSendIllegalVector);
  a.apic.read(0x2f0, Width::Dword);  // CMCI is not offered.
  a.interrupt(3);
  a.set(kEsr, 0);
  CHECK(a.get(kEsr) == (kIllegalRegister | kReceivedIllegalVector));
}

TEST_CASE("lapic: an error entry with an illegal vector stays quiet") {
  Apics a;
  a.set(kLvtError, 0x05);
  a.interrupt(3);
  CHECK_FALSE(a.apic.wants_interrupt());
}

TEST_CASE("lapic: bytes of a register can be read, narrow stores change nothing") {
  Apics a;
  CHECK(a.apic.read(kVersion + 2, Width::Byte) == 0x05);
  CHECK(a.apic.read(kVersion + 4, Width::Dword) == 0);
  a.apic.write(kTpr, Width::Byte, 0x50);
  CHECK(a.get(kTpr) == 0);
}

TEST_CASE("lapic: APIC_BASE allows the transitions of the manual and no others") {
  Apics a;
  CHECK(a.refuses(msr::APIC_BASE, 0xfee0'0500));  // x2APIC without enable.
  CHECK(a.refuses(msr::APIC_BASE, 0xfee0'0901));  // Reserved bit.
  CHECK(a.refuses(msr::APIC_BASE, u64{1} << 40 | 0xfee0'0900));
  CHECK(a.refuses(msr::X2APIC_FIRST + 8, 0));  // Not in x2APIC mode.
  a.use_x2apic();
  CHECK_FALSE(a.apic.is_mapped());
  CHECK(a.refuses(msr::APIC_BASE, 0xfee0'0900));  // Back to xAPIC.
  CHECK(a.apic.write_msr(msr::APIC_BASE, 0xfee0'0100));
  CHECK(a.refuses(msr::APIC_BASE, 0xfee0'0d00));  // Off to x2APIC.
  CHECK(a.apic.write_msr(msr::APIC_BASE, 0xfee0'0900));
  CHECK(a.get(kSvr) == 0xff);  // Being off lost the state.
  const unsigned moves = a.host.moves;
  CHECK(a.apic.write_msr(msr::APIC_BASE, 0xd000'0900));
  CHECK(a.apic.base() == 0xd000'0000);
  CHECK(a.host.moves == moves + 1);
}

TEST_CASE("lapic: x2APIC registers are MSRs that refuse reserved bits and what is not there") {
  Apics a;
  a.use_x2apic();
  u64 value = 0;
  CHECK(a.apic.read_msr(0x802, value));
  CHECK(value == 0);
  CHECK(a.apic.read_msr(0x80d, value));
  CHECK(value == 1);  // LDR: cluster 0, bit 0.
  CHECK(a.apic.write_msr(0x808, 0x20));
  CHECK(a.apic.cr8() == 2);
  CHECK(a.refuses(0x808, 0x120));
  CHECK(a.refuses(0x80b, 1));  // EOI takes 0 only.
  CHECK(a.apic.write_msr(0x80b, 0));
  CHECK(a.refuses(0x802, 0));                  // Read-only.
  CHECK_FALSE(a.apic.read_msr(0x80e, value));  // No DFR,
  CHECK_FALSE(a.apic.read_msr(0x831, value));  // no upper ICR,
  CHECK_FALSE(a.apic.read_msr(0x80b, value));  // and EOI is write-only.
  CHECK_FALSE(a.apic.read_msr(0x8ff, value));
  CHECK(a.apic.write_msr(0x83f, 0x66));  // SELF IPI.
  CHECK(a.apic.acknowledge() == 0x66);
  CHECK(a.apic.write_msr(0x830, u64{1} << 32 | 0x4071));
  CHECK(a.other.acknowledge() == 0x71);
  CHECK(a.apic.read_msr(0x830, value));
  CHECK(value == (u64{1} << 32 | 0x4071));
  CHECK(a.apic.write_msr(0x830, u64{0xffff'ffff} << 32 | 0x4082));  // Broadcast.
  CHECK(a.apic.acknowledge() == 0x82);
  CHECK(a.other.acknowledge() == 0x82);
}

TEST_CASE("lapic: saved state comes back whole") {
  Apics a;
  a.interrupt(0x31);
  a.interrupt(0x81, true);
  a.apic.acknowledge();
  a.set(kTpr, 0x20);
  a.set(kLvtTimer, 0x2'0040);
  a.set(kInitialCount, 5000);
  std::vector<u8> saved;
  Archive saver = Archive::saver(saved);
  a.apic.serialize(saver);

  Apics b;
  Archive loader = Archive::loader(saved);
  b.apic.serialize(loader);
  CHECK(loader.at_end());
  std::vector<u8> again;
  Archive second = Archive::saver(again);
  b.apic.serialize(second);
  CHECK(again == saved);
  CHECK(b.get(kPpr) == 0x80);
  b.set(kEoi, 0);
  CHECK(b.apic.acknowledge() == 0x31);
}

}  // namespace
}  // namespace doppel::devices
