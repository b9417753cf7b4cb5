#include "devices/debug_exit.h"

#include <doctest/doctest.h>

#include <string>

#include "devices/debug_port.h"
#include "tests/support/device_rig.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

TEST_CASE("debug_exit: a value v ends with status (v << 1) | 1, as wide as it was written") {
  RecordingControl control;
  DebugExit port(control);
  port.write(0, Width::Byte, 0x10);
  port.write(0, Width::Dword, 0x11);
  port.write(0, Width::Byte, 0xffff'ff00);
  port.write(0, Width::Word, 0x1'8000);
  CHECK(control.exits == std::vector<int>{33, 35, 1, 0x10001});
  CHECK(port.read(0, Width::Dword) == 0);
}

TEST_CASE("shutdown_8900: the whole word ends the run, anything else does not") {
  RecordingControl control;
  ShutdownPort8900 port(control);
  const auto write = [&](const std::string& text) {
    for (const char c : text) out8(port, 0, static_cast<u8>(c));
  };
  write("Shut");
  write("Shutdow");
  write("nSSxhutdown");
  CHECK(control.shutdowns == 1);  // "Shutdow" + "n".
  write("SShutdown");
  CHECK(control.shutdowns == 2);
  write("Shut");
  ShutdownPort8900 other(control);
  REQUIRE(load(other, saved(port)));
  for (const char c : std::string("down")) out8(other, 0, static_cast<u8>(c));
  CHECK(control.shutdowns == 3);
  CHECK_FALSE(load(other, {8}));
}

TEST_CASE("debug_console: bytes go out, a read tells that it is there") {
  TextSink sink;
  DebugConsole console("debugcon", &sink, 0xe9);
  for (const char c : std::string("ok")) out8(console, 0, static_cast<u8>(c));
  CHECK(sink.text == "ok");
  CHECK(in8(console, 0) == 0xe9);
  DebugConsole silent("silent", nullptr, 0xe9);
  out8(silent, 0, 'x');
}
