#include "devices/piix3.h"

#include <doctest/doctest.h>

#include "tests/support/device_rig.h"

namespace doppel::devices {
namespace {

struct System {
  test::Wire isa[16];
  Piix3 bridge{[this](unsigned irq) -> IrqLine& { return isa[irq]; }};
  void route(unsigned pirq, u8 value) { bridge.write_config(Piix3::kPirqRoute + pirq, 1, value); }
};

TEST_CASE("piix3: a PCI pin reaches the ISA line its PIRQ is routed to") {
  System s;
  IrqLine& wire = s.bridge.pirq(2, 1);  // Slot 2, INTA: PIRQB.
  CHECK(Piix3::pirq_of(2, 1) == 1);
  CHECK(Piix3::pirq_of(0, 1) == 3);
  wire.set(true);
  for (const auto& line : s.isa) CHECK_FALSE(line.level);  // Not routed after reset.
  s.route(1, 11);
  CHECK(s.isa[11].level);
  s.route(1, 10);  // Moves while asserted.
  CHECK_FALSE(s.isa[11].level);
  CHECK(s.isa[10].level);
  s.route(1, 0x8a);
  CHECK_FALSE(s.isa[10].level);
}

TEST_CASE("piix3: sharers of a line keep it up until the last lets go") {
  System s;
  s.route(0, 11);
  s.route(1, 11);
  IrqLine& first = s.bridge.pirq(1, 1);   // PIRQA
  IrqLine& second = s.bridge.pirq(5, 1);  // PIRQA as well
  IrqLine& third = s.bridge.pirq(2, 1);   // PIRQB, same IRQ
  first.set(true);
  second.set(true);
  third.set(true);
  CHECK(s.isa[11].rises == 1);
  first.set(false);
  third.set(false);
  CHECK(s.isa[11].level);
  second.set(false);
  CHECK_FALSE(s.isa[11].level);
}

TEST_CASE("piix3: timer, keyboard, cascade, RTC and coprocessor lines cannot be routed to") {
  System s;
  s.bridge.pirq(1, 1).set(true);
  for (unsigned irq : {0u, 1u, 2u, 8u, 13u}) {
    s.route(0, static_cast<u8>(irq));
    CHECK_FALSE(s.isa[irq].level);
  }
}

}  // namespace
}  // namespace doppel::devices
