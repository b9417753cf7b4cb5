#include "devices/pvpanic.h"

#include <doctest/doctest.h>

#include "tests/support/device_rig.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

TEST_CASE("pvpanic: tells which events it knows, and passes them on") {
  using Event = MachineControl::GuestEvent;
  RecordingControl control;
  PvPanic port(control);
  CHECK(in8(port, 0) == 3);
  out8(port, 0, 0);
  out8(port, 0, 0x80);
  CHECK(control.guest_events.empty());
  out8(port, 0, 2);
  out8(port, 0, 1);
  CHECK(control.guest_events == std::vector<Event>{Event::CrashLoaded, Event::Panicked});
}
