#include "devices/pci.h"

#include <doctest/doctest.h>

#include "devices/pci_host.h"
#include "devices/piix3.h"
#include "tests/support/device_rig.h"
#include "tests/unit/mmu/test_memory.h"

namespace doppel::devices {
namespace {

struct Registers final : mmu::IoHandler {
  u64 value = 0x1234'5678;
  u64 read(u64 offset, Width) override { return value + offset; }
  void write(u64, Width, u64 written) override { value = written; }
};

class Card final : public PciFunction {
 public:
  Card(mmu::IoMap& ports, mmu::IoMap& memory)
      : PciFunction(
            "card",
            Identity{
                .vendor = 0x1af4, .device = 0x1000, .class_code = 0x02'0000, .interrupt_pin = 1}) {
    add_bar(0, BarKind::Io, 0x20, ports, registers);
    add_bar(1, BarKind::Memory32, 0x1000, memory, registers);
    add_bar(2, BarKind::Memory64, 0x4000, memory, registers, true);
  }
  Registers registers;
};

struct System {
  mmu::IoMap ports;
  mmu::IoMap memory;
  Registers reset_port;
  PciBus bus{reset_port};
  mmu::TestMemory ram;
  PciHost host{ram.physical};
  Card card{ports, memory};

  System() {
    REQUIRE(bus.add(0, 0, host));
    REQUIRE(bus.add(3, 0, card));
    ports.add(0xcf8, 4, bus.address_ports());
    ports.add(0xcfc, 4, bus.data_ports());
  }
  void select(unsigned slot, unsigned function, unsigned offset) {
    ports.write(0xcf8, Width::Dword, 0x8000'0000 | slot << 11 | function << 8 | (offset & 0xfc));
  }
  u32 get(unsigned slot, unsigned offset, Width width = Width::Dword) {
    select(slot, 0, offset);
    return static_cast<u32>(ports.read(0xcfc + (offset & 3), width));
  }
  void set(unsigned slot, unsigned offset, u32 value, Width width = Width::Dword) {
    select(slot, 0, offset);
    ports.write(0xcfc + (offset & 3), width, value);
  }
};

TEST_CASE("pci: enumeration finds what is there and ones where nothing is") {
  System s;
  unsigned found = 0;
  for (unsigned slot = 0; slot < 32; ++slot) {
    for (unsigned function = 0; function < 8; ++function) {
      s.select(slot, function, 0);
      const u64 id = s.ports.read(0xcfc, Width::Dword);
      if (id != 0xffff'ffff) ++found;
    }
  }
  CHECK(found == 2);
  CHECK(s.get(0, 0) == 0x1237'8086);
  CHECK(s.get(3, 0) == 0x1000'1af4);
  s.ports.write(0xcf8, Width::Dword, 0x8001'0000);  // Bus 1.
  CHECK(s.ports.read(0xcfc, Width::Dword) == 0xffff'ffff);
  s.ports.write(0xcf8, Width::Dword, 0);  // Not enabled.
  CHECK(s.ports.read(0xcfc, Width::Dword) == 0xffff'ffff);
}

TEST_CASE("pci: the address latch is a doubleword; a byte at CF9h is the reset port") {
  System s;
  s.select(0, 0, 0);
  CHECK(s.ports.read(0xcf8, Width::Dword) == 0x8000'0000);
  s.ports.write(0xcf9, Width::Byte, 0x06);
  CHECK(s.reset_port.value == 0x06);
  CHECK(s.ports.read(0xcf9, Width::Byte) == 0x06);
  s.ports.write(0xcf8, Width::Byte, 0x55);
  CHECK(s.ports.read(0xcf8, Width::Dword) == 0x8000'0000);
}

TEST_CASE("pci: configuration reads and writes at any width") {
  System s;
  CHECK(s.get(3, 2, Width::Word) == 0x1000);
  CHECK(s.get(3, 0xb, Width::Byte) == 0x02);
  s.set(0, PciHost::kPam0 + 1, 0xff, Width::Byte);
  CHECK(s.get(0, PciHost::kPam0 + 1, Width::Byte) == 0x33);
  s.set(3, 0, 0xdead'beef);  // Read-only.
  CHECK(s.get(3, 0) == 0x1000'1af4);
}

TEST_CASE("pci: base address registers tell their size") {
  System s;
  for (unsigned i = 0; i < 4; ++i) s.set(3, 0x10 + 4 * i, 0xffff'ffff);
  CHECK(s.get(3, 0x10) == 0xffff'ffe1);
  CHECK(s.get(3, 0x14) == 0xffff'f000);
  CHECK(s.get(3, 0x18) == 0xffff'c00c);
  CHECK(s.get(3, 0x1c) == 0xffff'ffff);
  CHECK(s.get(3, 0x20) == 0);
}

TEST_CASE("pci: a card answers where its registers say, while decoding is on") {
  System s;
  s.set(3, 0x10, 0xc000);
  s.set(3, 0x14, 0xe000'0000);
  s.set(3, 0x18, 0x0000'0000);
  s.set(3, 0x1c, 0x0000'0010);
  CHECK(s.ports.read(0xc004, Width::Dword) == 0xffff'ffff);
  s.set(3, 4, 0x0003, Width::Word);
  CHECK(s.ports.read(0xc004, Width::Dword) == 0x1234'567c);
  CHECK(s.memory.read(0xe000'0008, Width::Dword) == 0x1234'5680);
  CHECK(s.memory.read(0x10'0000'0000, Width::Dword) == 0x1234'5678);
  s.set(3, 0x10, 0xd000);
  CHECK(s.ports.read(0xc004, Width::Dword) == 0xffff'ffff);
  CHECK(s.ports.read(0xd004, Width::Dword) == 0x1234'567c);
  s.set(3, 4, 0x0002, Width::Word);
  CHECK(s.ports.read(0xd004, Width::Dword) == 0xffff'ffff);
  CHECK(s.memory.read(0xe000'0008, Width::Dword) == 0x1234'5680);
}

TEST_CASE("pci: a card put on top of another chip does not take its ports") {
  System s;
  s.set(3, 0x10, 0xce0);  // Would cover CF8h.
  s.set(3, 4, 0x0001, Width::Word);
  CHECK(s.get(0, 0) == 0x1237'8086);
  s.set(3, 0x10, 0xffff'ffff);  // Beyond the last port.
  CHECK(s.get(3, 0) == 0x1000'1af4);
}

TEST_CASE("pci: reset and saved state move the ranges along") {
  System s;
  s.set(3, 0x10, 0xc000);
  s.set(3, 4, 0x0001, Width::Word);
  std::vector<u8> saved;
  Archive saver = Archive::saver(saved);
  s.card.serialize(saver);
  s.card.reset();
  CHECK(s.ports.read(0xc004, Width::Dword) == 0xffff'ffff);
  Archive loader = Archive::loader(saved);
  s.card.serialize(loader);
  CHECK(s.ports.read(0xc004, Width::Dword) == 0x1234'567c);
}

TEST_CASE("pci: a place on the bus is given once") {
  System s;
  CHECK_FALSE(s.bus.add(3, 0, s.card));
  CHECK_FALSE(s.bus.add(32, 0, s.card));
  CHECK_FALSE(s.bus.add(0, 8, s.card));
}

}  // namespace
}  // namespace doppel::devices
