#include "devices/pc_board.h"

#include <doctest/doctest.h>

#include <string>

#include "cpu/arch/msr.h"
#include "devices/pc_layout.h"
#include "tests/support/device_rig.h"
#include "tests/support/recording_processor.h"

namespace doppel::devices {
namespace {

constexpr u64 kRam = 4u << 20;

struct System {
  test::Clock clock;
  test::RecordingProcessor processor;
  test::RecordingControl control;
  test::TextSink com1;
  test::TextSink debug;
  mmu::MachineMemory machine = mmu::MachineMemory::create(8u << 20).take();
  mmu::Pmap pmap{machine, machine.total_frames()};
  mmu::IoMap mmio;
  mmu::IoMap ports;
  mmu::PhysicalMemory memory{pmap, mmio};
  PcBoard board{config(), memory, ports, clock.scheduler, processor, control};

  System() {
    REQUIRE(pmap.add_ram(PhysAddr(0), kRam));
    board.reset();
  }
  BoardConfig config() {
    BoardConfig result;
    result.ram_bytes = kRam;
    result.serial[0] = &com1;
    result.debug_consoles.push_back({.port = 0xe9, .sink = &debug, .readback = 0xe9});
    result.debug_exit = BoardConfig::DebugExit{.base = 0xf4, .size = 4};
    return result;
  }
  void out(u16 port, u64 value, Width width = Width::Byte) { ports.write(port, width, value); }
  u64 in(u16 port, Width width = Width::Byte) { return ports.read(port, width); }
  u32 get(u64 address) { return static_cast<u32>(memory.read(PhysAddr(address), Width::Dword)); }
  void set(u64 address, u32 value) { memory.write(PhysAddr(address), Width::Dword, value); }
  void route_ioapic(unsigned pin, u32 low) {
    set(layout::kIoApic, 0x10 + 2 * pin);
    set(layout::kIoApic + 0x10, low);
  }
  void enable_lapic() { set(layout::kLocalApic + 0xf0, 0x1ff); }
  std::vector<u8> save() {
    std::vector<u8> bytes;
    Archive archive = Archive::saver(bytes);
    clock.scheduler.serialize(archive);
    board.serialize(archive);
    return bytes;
  }
};

TEST_CASE("pc_board: bytes written to ports leave through the serial and debug sinks") {
  System s;
  for (char c : std::string("hi")) s.out(layout::kCom1, static_cast<u8>(c));
  CHECK(s.com1.text == "hi");
  s.out(0xe9, '!');
  CHECK(s.debug.text == "!");
  CHECK(s.in(0xe9) == 0xe9);
  s.out(0xf4, 0x10, Width::Dword);
  CHECK(s.control.exits == std::vector<int>{33});
  s.out(0x80, 0x42);
  CHECK(s.board.post_codes() == std::vector<u8>{0x42});
}

TEST_CASE("pc_board: with firmware's state the PIT reaches the processor through 8259 and LINT0") {
  System s;
  s.board.firmware_state();
  CHECK_FALSE(s.processor.intr);
  s.clock.run_for(60'000'000);  // 18.2 Hz
  CHECK(s.processor.intr);
  CHECK(s.board.acknowledge_interrupt() == 0x08);
  CHECK_FALSE(s.processor.intr);
}

TEST_CASE("pc_board: a local APIC that nobody enabled lets the 8259 through") {
  System s;
  s.out(0x20, 0x11);
  s.out(0x21, 0x20);
  s.out(0x21, 0x04);
  s.out(0x21, 0x01);
  s.out(0x21, 0xfe);
  s.clock.run_for(60'000'000);
  CHECK(s.processor.intr);
  CHECK(s.board.acknowledge_interrupt() == 0x20);
}

TEST_CASE("pc_board: an interrupt line reaches the 8259 and the I/O APIC") {
  System s;
  s.board.firmware_state();
  s.enable_lapic();
  s.set(layout::kLocalApic + 0x350, 0x1'0700);  // LINT0 masked: only the I/O APIC counts.
  s.route_ioapic(4, 0x34);
  s.out(layout::kCom1 + 4, 0x08);  // OUT2
  s.out(layout::kCom1 + 1, 0x02);  // THRE interrupt: at once.
  CHECK(s.processor.intr);
  CHECK(s.board.acknowledge_interrupt() == 0x34);
  s.out(0x20, 0x0a);  // The 8259's requests.
  CHECK((s.in(0x20) & 0x10) != 0);
}

TEST_CASE("pc_board: the PIT is on pin 2 of the I/O APIC, and legacy replacement takes it away") {
  System s;
  s.enable_lapic();
  s.route_ioapic(2, 0x40);
  s.clock.run_for(60'000'000);
  CHECK(s.board.acknowledge_interrupt() == 0x40);
  s.set(layout::kLocalApic + 0xb0, 0);
  s.set(layout::kHpet + 0x10, 2);  // Legacy replacement; no timer of the HPET is on.
  while (s.processor.intr) {
    s.board.acknowledge_interrupt();
    s.set(layout::kLocalApic + 0xb0, 0);
  }
  s.clock.run_for(200'000'000);
  CHECK_FALSE(s.processor.intr);
  s.set(layout::kHpet + 0x100, 1u << 2);
  s.set(layout::kHpet + 0x108, 1000);
  s.set(layout::kHpet + 0x10c, 0);
  s.set(layout::kHpet + 0x10, 3);
  s.clock.run_for(10'000);
  CHECK(s.board.acknowledge_interrupt() == 0x40);
}

TEST_CASE("pc_board: the local APIC's page moves with APIC_BASE and goes away in x2APIC mode") {
  System s;
  CHECK(s.get(layout::kLocalApic + 0x30) == 0x0005'0014);
  CHECK(s.board.write_msr(msr::APIC_BASE, 0xd000'0900));
  CHECK(s.get(layout::kLocalApic + 0x30) == 0xffff'ffff);
  CHECK(s.get(0xd000'0030) == 0x0005'0014);
  CHECK(s.board.write_msr(msr::APIC_BASE, layout::kIoApic | 0x900));  // Taken: nothing there.
  CHECK(s.get(0xd000'0030) == 0xffff'ffff);
  s.set(layout::kIoApic, 1);
  CHECK(s.get(layout::kIoApic + 0x10) == 0x0017'0020);
  CHECK(s.board.write_msr(msr::APIC_BASE, 0xfee0'0900));
  CHECK(s.get(layout::kLocalApic + 0x30) == 0x0005'0014);
  CHECK(s.board.write_msr(msr::APIC_BASE, 0xfee0'0d00));
  CHECK(s.get(layout::kLocalApic + 0x30) == 0xffff'ffff);
  s.board.reset();
  CHECK(s.get(layout::kLocalApic + 0x30) == 0x0005'0014);
}

TEST_CASE("pc_board: PCI shows host bridge, ISA bridge and power management, and CF9h resets") {
  System s;
  auto id = [&](unsigned slot, unsigned function) {
    s.out(0xcf8, 0x8000'0000 | slot << 11 | function << 8, Width::Dword);
    return s.in(0xcfc, Width::Dword);
  };
  CHECK(id(0, 0) == 0x1237'8086);
  CHECK(id(1, 0) == 0x7000'8086);
  CHECK(id(1, 3) == 0x7113'8086);
  CHECK(id(2, 0) == 0xffff'ffff);
  s.out(0xcf9, 0x06);
  CHECK(s.control.resets.size() == 1);
}

TEST_CASE("pc_board: FERR# is IRQ 13 until a write to port F0h") {
  System s;
  s.out(0x20, 0x11);
  s.out(0x21, 0x08);
  s.out(0x21, 0x04);
  s.out(0x21, 0x01);
  s.out(0xa0, 0x11);
  s.out(0xa1, 0x70);
  s.out(0xa1, 0x02);
  s.out(0xa1, 0x01);
  s.out(0x21, 0xfb);
  s.out(0xa1, 0xdf);
  s.board.set_ferr(true);
  CHECK(s.processor.intr);
  CHECK(s.board.acknowledge_interrupt() == 0x75);
  s.out(0xf0, 0);
  s.out(0xa0, 0x20);
  s.out(0x20, 0x20);
  CHECK_FALSE(s.processor.intr);
  s.board.set_ferr(false);
  CHECK_FALSE(s.processor.intr);
}

TEST_CASE("pc_board: soft off works at 604h and B004h") {
  System s;
  s.out(0x604, 0x2000, Width::Word);
  s.out(0xb004, 0x2000, Width::Word);
  CHECK(s.control.shutdowns == 2);
}

TEST_CASE("pc_board: the power button is an SCI on a level-triggered line 9") {
  System s;
  s.board.firmware_state();
  s.out(0xa1, 0xfd);
  s.out(0x602, 0x100, Width::Word);
  s.board.press_power_button();
  CHECK(s.processor.intr);
  CHECK(s.board.acknowledge_interrupt() == 0x71);
}

TEST_CASE("pc_board: TSC and TSC deadline go together") {
  System s;
  s.enable_lapic();
  s.clock.run_until(1000);
  s.board.set_tsc(0);
  CHECK(s.board.tsc() == 0);
  s.set(layout::kLocalApic + 0x320, 0x4'0050);
  CHECK(s.board.write_msr(msr::TSC_DEADLINE, 10'000));
  s.clock.run_until(10'999);
  CHECK_FALSE(s.processor.intr);
  s.clock.run_until(11'000);
  CHECK(s.board.acknowledge_interrupt() == 0x50);
}

TEST_CASE("pc_board: CR8 holds interrupts back") {
  System s;
  s.enable_lapic();
  s.board.set_cr8(5);
  s.set(layout::kLocalApic + 0x300, 1u << 18 | 0x4055);
  CHECK_FALSE(s.processor.intr);
  s.board.set_cr8(4);
  CHECK(s.processor.intr);
  CHECK(s.board.cr8() == 4);
}

TEST_CASE("pc_board: ACPI tables are found in memory by their signature") {
  System s;
  const u64 rsdp = s.board.install_acpi_tables();
  CHECK(rsdp == layout::kAcpiTables);
  char signature[9] = {};
  for (unsigned i = 0; i < 8; ++i) {
    signature[i] = static_cast<char>(s.memory.read(PhysAddr(rsdp + i), Width::Byte));
  }
  CHECK(std::string(signature) == "RSD PTR ");
}

TEST_CASE("pc_board: a board loaded from another's state is the same to the last byte") {
  System s;
  s.board.firmware_state();
  s.enable_lapic();
  s.route_ioapic(2, 0x40);
  s.set(layout::kLocalApic + 0x320, 0x2'0050);
  s.set(layout::kLocalApic + 0x380, 3'000'000);
  s.set(layout::kHpet + 0x100, 0x2a06 | 1u << 3);
  s.set(layout::kHpet + 0x10, 1);
  s.out(layout::kCom1 + 1, 0x02);
  s.clock.run_for(123'456'789);
  const std::vector<u8> saved = s.save();

  System t;
  Archive archive = Archive::loader(saved);
  t.clock.scheduler.serialize(archive);
  t.board.serialize(archive);
  CHECK_FALSE(archive.failed());
  CHECK(archive.at_end());
  CHECK(t.save() == saved);
  CHECK(t.processor.intr == s.processor.intr);

  // And it goes on the same way.
  s.clock.run_for(77'000'000);
  t.clock.run_for(77'000'000);
  CHECK(t.save() == s.save());
}

TEST_CASE("pc_board: each access to the HPET takes time, which its counter shows") {
  System s;
  s.set(layout::kHpet + 0x10, 1);
  const u64 before = s.get(layout::kHpet + 0xf0);
  s.set(layout::kHpet + 0x128, 5);
  CHECK(s.get(layout::kHpet + 0xf0) - before == 2 * layout::kHpetAccessNs / 10);
}

TEST_CASE("pc_board: reset brings back the state of the first start") {
  System s;
  System fresh;
  s.board.firmware_state();
  s.set(layout::kLocalApic + 0x320, 0x2'0050);
  s.set(layout::kHpet + 0x10, 3);
  CHECK(s.board.write_msr(msr::APIC_BASE, 0xfee0'0d00));
  s.board.reset();
  // Some counters know when they began.
  fresh.clock.scheduler.skip_to(s.clock.scheduler.now_ns());
  fresh.board.reset();
  CHECK(s.save() == fresh.save());
}

TEST_CASE("pc_board: no value in any port stops the board from answering") {
  System s;
  u32 random = 12345;  // A fixed seed: the run repeats.
  auto next = [&] { return random = random * 1664525u + 1013904223u; };
  for (unsigned i = 0; i < 200'000; ++i) {
    const u16 port = static_cast<u16>(next() >> 8 & 0xfff);
    const Width width = static_cast<Width>(1u << (next() >> 16) % 3);
    if ((next() >> 24 & 1) != 0) {
      s.out(port, next() ^ next() << 16, width);
    } else {
      s.in(port, width);
    }
    const u64 windows[] = {layout::kIoApic, layout::kHpet, layout::kLocalApic};
    const u64 address = windows[(next() >> 16) % 3] + (next() >> 12 & 0x3ff);
    s.memory.write(PhysAddr(address), Width::Dword, next());
    if (s.processor.intr) s.board.acknowledge_interrupt();
    if (i % 16 == 0) s.clock.run_for(next() >> 14);
  }
  s.board.reset();
  CHECK(s.get(layout::kLocalApic + 0x30) == 0x0005'0014);
}

}  // namespace
}  // namespace doppel::devices
