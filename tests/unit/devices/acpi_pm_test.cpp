#include "devices/acpi_pm.h"

#include <doctest/doctest.h>

#include "tests/support/device_rig.h"

namespace doppel::devices {
namespace {

struct System {
  test::Clock clock;
  test::Wire sci;
  test::RecordingControl control;
  AcpiPm pm{clock.scheduler, sci, control};
  mmu::IoHandler& block = pm;

  System() { pm.reset(); }
  u64 get(u64 offset, Width width = Width::Word) { return block.read(offset, width); }
  void set(u64 offset, u64 value, Width width = Width::Word) { block.write(offset, width, value); }
  void enable_acpi() { pm.command_ports().write(0, Width::Byte, 0xf1); }
};

TEST_CASE("acpi_pm: the timer counts 3.579545 MHz in 24 bits") {
  System s;
  s.clock.run_until(1'000'000'000);
  CHECK(s.get(8, Width::Dword) == 3'579'545);
  s.clock.run_until(10'000'000'000);
  CHECK(s.get(8, Width::Dword) == (35'795'450 & 0xff'ffff));
  CHECK(s.get(10, Width::Byte) == ((35'795'450 >> 16) & 0xff));
}

TEST_CASE("acpi_pm: the timer's carry raises the SCI each time bit 23 changes") {
  System s;
  s.enable_acpi();
  s.set(2, 1);
  const u64 carry_ns = ((u64{1} << 23) * 1'000'000'000 + 3'579'544) / 3'579'545;
  s.clock.run_until(carry_ns - 1);
  CHECK_FALSE(s.sci.level);
  s.clock.run_until(carry_ns);
  CHECK(s.sci.level);
  CHECK((s.get(0) & 1) != 0);
  s.set(0, 1);
  CHECK_FALSE(s.sci.level);
  s.clock.run_until(2 * carry_ns);
  CHECK(s.sci.level);
}

TEST_CASE("acpi_pm: the status shows a carry that nobody waited for") {
  System s;
  s.clock.scheduler.skip_to(3'000'000'000);
  CHECK((s.get(0) & 1) != 0);
}

TEST_CASE("acpi_pm: the command port switches SCI_EN") {
  System s;
  CHECK((s.get(4) & 1) == 0);
  s.enable_acpi();
  CHECK((s.get(4) & 1) == 1);
  s.pm.command_ports().write(0, Width::Byte, 0xf0);
  CHECK((s.get(4) & 1) == 0);
  s.pm.command_ports().write(1, Width::Byte, 0x5a);
  CHECK(s.pm.command_ports().read(1, Width::Byte) == 0x5a);
}

TEST_CASE(
    "acpi_pm: the power button raises the SCI if it is enabled, until its status is cleared") {
  System s;
  s.enable_acpi();
  s.pm.press_power_button();
  CHECK_FALSE(s.sci.level);
  s.set(2, 1u << 8);
  CHECK(s.sci.level);
  s.set(0, 1u << 8);
  CHECK_FALSE(s.sci.level);
  CHECK(s.get(0) == 0);
}

TEST_CASE("acpi_pm: sleep type 0 with SLP_EN is soft off, from either port, as word or as byte") {
  System s;
  s.set(4, 0x2000);
  CHECK(s.control.shutdowns == 1);
  s.pm.control_ports().write(0, Width::Word, 0x2000);
  CHECK(s.control.shutdowns == 2);
  s.set(5, 0x20, Width::Byte);
  CHECK(s.control.shutdowns == 3);
  CHECK((s.get(4) & 0x2000) == 0);  // Write-only.
}

TEST_CASE("acpi_pm: a sleep state that is not offered is left at once") {
  System s;
  s.set(4, 0x2000 | 5u << 10);
  CHECK(s.control.shutdowns == 0);
  CHECK((s.get(0) & 0x8000) != 0);
}

TEST_CASE("acpi_pm: an SLP_TYP without SLP_EN does nothing") {
  System s;
  s.set(4, 0x0001);
  CHECK(s.control.shutdowns == 0);
  CHECK(s.get(4) == 1);
}

}  // namespace
}  // namespace doppel::devices
