#include "devices/apic_messages.h"

#include <doctest/doctest.h>

#include "devices/lapic.h"
#include "devices/lapic_registers.h"
#include "tests/support/recording_processor.h"
#include "tests/support/virtio_rig.h"

namespace doppel::devices {
namespace {

struct System final : LocalApicHost {
  test::VirtioRig rig;  // For its memory and clock.
  TimestampCounter tsc{rig.clock.scheduler, 0};
  ApicBus bus;
  test::RecordingProcessor processors[2];
  LocalApic first{0, bus, rig.clock.scheduler, tsc, processors[0], *this};
  LocalApic second{1, bus, rig.clock.scheduler, tsc, processors[1], *this};
  ApicMessages messages{bus, rig.memory};

  System() {
    for (LocalApic* apic : {&first, &second}) {
      apic->reset();
      apic->write(lapic_registers::kSvr, Width::Dword, 0x1ff);
      apic->write(lapic_registers::kDfr, Width::Dword, 0xffff'ffff);
      apic->write(lapic_registers::kLdr, Width::Dword, 0x0100'0000u << apic->id());
    }
  }
  void local_apic_output_changed(LocalApic&) override {}
  void local_apic_moved(LocalApic&) override {}
  bool first_has(u8 vector) { return first.wants_interrupt() && first.acknowledge() == vector; }
  bool second_has(u8 vector) { return second.wants_interrupt() && second.acknowledge() == vector; }
};

TEST_CASE("apic_messages: the address names a processor by its id, or all of them") {
  System s;
  s.messages.message(0xfee0'1000, 0x41);
  CHECK(s.second_has(0x41));
  CHECK_FALSE(s.first.wants_interrupt());
  s.messages.message(0xfeef'f000, 0x52);
  CHECK(s.first_has(0x52));
  CHECK(s.second_has(0x52));
}

TEST_CASE("apic_messages: a logical destination is a set of processors; lowest priority picks one") {
  System s;
  s.messages.message(0xfee0'2004, 0x43);
  CHECK(s.second_has(0x43));
  CHECK_FALSE(s.first.wants_interrupt());
  s.messages.message(0xfee0'300c, 0x154);
  CHECK(s.first.wants_interrupt() != s.second.wants_interrupt());
}

TEST_CASE("apic_messages: NMI is a delivery mode; ExtINT, startup and illegal vectors do nothing") {
  System s;
  s.messages.message(0xfee0'0000, 0x400);
  CHECK(s.processors[0].nmis == 1);
  s.messages.message(0xfee0'0000, 0x741);
  s.messages.message(0xfee0'0000, 0x642);
  s.messages.message(0xfee0'0000, 0x343);
  s.messages.message(0xfee0'0000, 0x00f);
  CHECK_FALSE(s.first.wants_interrupt());
  CHECK(s.processors[0].startups.empty());
}

TEST_CASE("apic_messages: a message to any other address is a store") {
  System s;
  s.messages.message(0x1000, 0x1234'5678);
  CHECK(s.rig.memory.read<u32>(PhysAddr(0x1000)) == 0x1234'5678);
  s.messages.message(0x1'0000'1000, 0x41);
  s.messages.message(~u64{3}, 0x41);
  CHECK_FALSE(s.first.wants_interrupt());
}

}  // namespace
}  // namespace doppel::devices
