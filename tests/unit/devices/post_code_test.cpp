#include "devices/post_code.h"

#include <doctest/doctest.h>

#include "tests/support/device_rig.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

TEST_CASE("post_code: remembers codes with their time, oldest first") {
  Clock clock;
  PostCodePort port(clock.scheduler);
  CHECK(port.history().empty());
  out8(port, 0, 0x01);
  clock.run_for(500);
  out8(port, 0, 0xaa);
  const auto history = port.history();
  REQUIRE(history.size() == 2);
  CHECK(history[0].code == 0x01);
  CHECK(history[0].time_ns == 0);
  CHECK(history[1].code == 0xaa);
  CHECK(history[1].time_ns == 500);
  CHECK(in8(port, 0) == 0xaa);
}

TEST_CASE("post_code: keeps the last 256 codes, also over a reset and a save") {
  Clock clock;
  PostCodePort port(clock.scheduler);
  for (unsigned i = 0; i < 1000; ++i) out8(port, 0, i & 0xff);
  port.reset();
  PostCodePort other(clock.scheduler);
  REQUIRE(load(other, saved(port)));
  const auto history = other.history();
  REQUIRE(history.size() == PostCodePort::kHistory);
  CHECK(history.front().code == (744 & 0xff));
  CHECK(history.back().code == (999 & 0xff));
}
