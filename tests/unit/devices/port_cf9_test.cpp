#include "devices/port_cf9.h"

#include <doctest/doctest.h>

#include "tests/support/device_rig.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

TEST_CASE("port_cf9: resets when bit 2 rises, as 02h then 06h do") {
  RecordingControl control;
  ResetPortCf9 port(control);
  out8(port, 0, 0x02);
  CHECK(control.resets.empty());
  CHECK(in8(port, 0) == 0x02);
  out8(port, 0, 0x06);
  CHECK(control.resets.size() == 1);
  port.write(0x06);
  CHECK(control.resets.size() == 1);
  port.reset();
  port.write(0x0e);
  CHECK(control.resets.size() == 2);
  CHECK(control.resets[0] == MachineControl::ResetCause::PortCf9);
  CHECK(port.read() == 0x0e);
}
