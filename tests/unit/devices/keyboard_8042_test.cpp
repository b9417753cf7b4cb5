#include "devices/keyboard_8042.h"

#include <doctest/doctest.h>

#include <vector>

#include "devices/port_92.h"
#include "tests/support/device_rig.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

namespace {

using Bytes = std::vector<unsigned>;

struct Rig {
  Clock clock;
  Wire irq1;
  Wire irq12;
  RecordingControl control;
  Keyboard8042 chip{clock.scheduler, irq1, irq12, control};

  Rig() {
    chip.reset();
    control.a20_changes.clear();
  }
  u8 status() { return in8(chip.command_port(), 0); }
  void command(unsigned value) { out8(chip.command_port(), 0, value); }
  void data(unsigned value) { out8(chip.data_port(), 0, value); }
  void command(unsigned value, unsigned parameter) {
    command(value);
    data(parameter);
  }
  u8 answer_to(unsigned value) {
    command(value);
    REQUIRE((status() & 0x21) == 0x01);
    return in8(chip.data_port(), 0);
  }
  /// Polls as a driver does, up to 20 ms for each byte.
  Bytes read_all() {
    Bytes seen;
    for (unsigned waited = 0; waited < 200 && seen.size() < 100; ++waited) {
      if (status() & 1) {
        seen.push_back(in8(chip.data_port(), 0));
        waited = 0;
      }
      clock.run_for(100'000);
    }
    return seen;
  }
  Bytes keyboard(unsigned value) {
    data(value);
    return read_all();
  }
  Bytes mouse(unsigned value) {
    command(0xd4, value);
    return read_all();
  }
  Bytes typed(const Bytes& codes) {
    for (const unsigned code : codes) chip.keyboard_input().receive(static_cast<u8>(code));
    return read_all();
  }
};

}  // namespace

TEST_CASE("8042: self test, interface tests and the system flag, as firmware starts") {
  Rig rig;
  CHECK(rig.answer_to(0xaa) == 0x55);
  CHECK((rig.status() & 0x04) != 0);
  CHECK(rig.answer_to(0xab) == 0x00);
  CHECK(rig.answer_to(0xa9) == 0x00);
  CHECK(rig.answer_to(0xa4) == 0xf1);
  CHECK((rig.status() & 0x10) != 0);
}

TEST_CASE("8042: the command byte and controller memory read back") {
  Rig rig;
  rig.command(0x60, 0x47);
  CHECK(rig.answer_to(0x20) == 0x47);
  rig.command(0x65, 0x99);
  CHECK(rig.answer_to(0x25) == 0x99);
  rig.command(0xad);
  rig.command(0xa7);
  CHECK(rig.answer_to(0x20) == 0x77);
  rig.command(0xae);
  rig.command(0xa8);
  CHECK(rig.answer_to(0x20) == 0x47);
}

TEST_CASE("8042: the status tells a command from data") {
  Rig rig;
  rig.command(0xae);
  CHECK((rig.status() & 0x08) != 0);
  rig.data(0xf4);
  CHECK((rig.status() & 0x08) == 0);
}

TEST_CASE("8042: a key arrives translated, raises IRQ 1, and reading lowers it") {
  Rig rig;
  rig.chip.keyboard_input().receive(0x1c);  // A
  CHECK_FALSE(rig.irq1.level);
  rig.clock.run_for(1'000'000);
  CHECK(rig.irq1.level);
  CHECK((rig.status() & 0x21) == 0x01);
  CHECK(in8(rig.chip.data_port(), 0) == 0x1e);
  CHECK_FALSE(rig.irq1.level);
  CHECK((rig.status() & 1) == 0);
  CHECK(rig.typed({0xf0, 0x1c}) == Bytes{0x9e});
  CHECK(rig.typed({0xe0, 0x75, 0xe0, 0xf0, 0x75}) == Bytes{0xe0, 0x48, 0xe0, 0xc8});
  CHECK(rig.typed({0x83, 0xf0, 0x83}) == Bytes{0x41, 0xc1});
  CHECK(rig.typed({0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77}) ==
        Bytes{0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5});
  CHECK(rig.irq1.rises == 1 + 1 + 4 + 2 + 6);
}

TEST_CASE(
    "8042: without translation scan set 2 comes through, and without IRQ enable only by polling") {
  Rig rig;
  rig.command(0x60, 0x24);
  CHECK(rig.typed({0x1c, 0xf0, 0x1c}) == Bytes{0x1c, 0xf0, 0x1c});
  CHECK(rig.irq1.rises == 0);
}

TEST_CASE("8042: a disabled keyboard keeps its bytes until it is enabled") {
  Rig rig;
  rig.command(0xad);
  CHECK(rig.typed({0x1c}).empty());
  rig.command(0xae);
  CHECK(rig.read_all() == Bytes{0x1e});
}

TEST_CASE("8042: keyboard reset answers ACK and, after its self test, AAh") {
  Rig rig;
  CHECK(rig.keyboard(0xff) == Bytes{0xfa, 0xaa});
}

TEST_CASE("8042: keyboard commands answer as an MF-2 does") {
  Rig rig;
  rig.command(0x60, 0x05);
  CHECK(rig.keyboard(0xee) == Bytes{0xee});
  CHECK(rig.keyboard(0xf2) == Bytes{0xfa, 0xab, 0x83});
  CHECK(rig.keyboard(0xed) == Bytes{0xfa});
  CHECK(rig.keyboard(0x06) == Bytes{0xfa});
  CHECK(rig.chip.leds() == 6);
  CHECK(rig.keyboard(0xf3) == Bytes{0xfa});
  CHECK(rig.keyboard(0x20) == Bytes{0xfa});
  CHECK(rig.keyboard(0xfe) == Bytes{0xfa});  // The last byte again.
  CHECK(rig.keyboard(0x01) == Bytes{0xfe});  // No such command.
  CHECK(rig.keyboard(0xf5) == Bytes{0xfa});
  CHECK(rig.typed({0x1c}).empty());
  CHECK(rig.keyboard(0xf4) == Bytes{0xfa});
  CHECK(rig.typed({0x1c}) == Bytes{0x1c});
  // A command instead of the parameter.
  CHECK(rig.keyboard(0xed) == Bytes{0xfa});
  CHECK(rig.keyboard(0xf4) == Bytes{0xfa});
}

TEST_CASE("8042: the keyboard's id and set number pass the translation, too") {
  Rig rig;
  CHECK(rig.keyboard(0xf2) == Bytes{0xfa, 0xab, 0x41});
  rig.keyboard(0xf0);
  CHECK(rig.keyboard(0x00) == Bytes{0xfa, 0x41});
}

TEST_CASE("8042: scan sets 1 and 3 can be chosen") {
  Rig rig;
  rig.command(0x60, 0x05);
  rig.keyboard(0xf0);
  CHECK(rig.keyboard(0x04) == Bytes{0xfe});
  rig.keyboard(0xf0);
  CHECK(rig.keyboard(0x01) == Bytes{0xfa});
  CHECK(rig.typed({0xe0, 0xf0, 0x75}) == Bytes{0xe0, 0xc8});
  rig.keyboard(0xf0);
  CHECK(rig.keyboard(0x03) == Bytes{0xfa});
  CHECK(rig.typed({0x76, 0xf0, 0x76}) == Bytes{0x08});              // Esc: make only.
  CHECK(rig.typed({0x12, 0xf0, 0x12}) == Bytes{0x12, 0xf0, 0x12});  // Shift: both.
  CHECK(rig.typed({0xe0, 0x75}) == Bytes{0x63});
  CHECK(rig.typed({0xe0, 0x12, 0xe0, 0x7c}) == Bytes{0x57});  // Print screen.
  CHECK(rig.typed({0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77}) == Bytes{0x62});
  CHECK(rig.keyboard(0xf8) == Bytes{0xfa});
  CHECK(rig.typed({0x76, 0xf0, 0x76}) == Bytes{0x08, 0xf0, 0x08});
  rig.keyboard(0xf0);
  CHECK(rig.keyboard(0x00) == Bytes{0xfa, 0x03});
}

TEST_CASE("8042: a held key repeats, in the time that F3h says") {
  Rig rig;
  rig.command(0x60, 0x05);
  const auto typed_in = [&](u64 ns) {
    Bytes seen;
    for (u64 passed = 0; passed < ns; passed += 1'000'000) {
      rig.clock.run_for(1'000'000);
      if (rig.status() & 1) seen.push_back(in8(rig.chip.data_port(), 0));
    }
    return seen;
  };
  rig.keyboard(0xf3);
  rig.keyboard(0x24);  // 500 ms, then each 12 times 4.17 ms.
  rig.chip.keyboard_input().receive(0x1c);
  CHECK(typed_in(490'000'000) == Bytes{0x1c});
  CHECK(typed_in(20'000'000) == Bytes{0x1c});
  CHECK(typed_in(500'000'000).size() == 10);
  // The host's own repeats are not taken; another key is.
  rig.chip.keyboard_input().receive(0x1c);
  CHECK(typed_in(1'000'000).empty());
  rig.chip.keyboard_input().receive(0xe0);
  rig.chip.keyboard_input().receive(0x75);
  CHECK(typed_in(400'000'000) == Bytes{0xe0, 0x75});
  CHECK(typed_in(160'000'000) == Bytes{0xe0, 0x75, 0xe0, 0x75});
  // Its release ends it; the first key is held, and does not come back.
  for (const u8 byte : {0xe0, 0xf0, 0x75}) rig.chip.keyboard_input().receive(byte);
  CHECK(typed_in(1'000'000'000) == Bytes{0xe0, 0xf0, 0x75});
  CHECK_FALSE(rig.clock.scheduler.next_deadline_ns() < rig.clock.scheduler.now_ns() + 1'000'000'000);
}

TEST_CASE("8042: in set 3 keys have types, which software may change") {
  Rig rig;
  rig.command(0x60, 0x05);
  rig.keyboard(0xf0);
  rig.keyboard(0x03);
  // A letter repeats and does not tell its release; shift is the other way round.
  rig.chip.keyboard_input().receive(0x1c);
  rig.clock.run_for(600'000'000);
  CHECK(rig.typed({0xf0, 0x1c}).size() >= 2);
  CHECK(rig.typed({0x12, 0xf0, 0x12}) == Bytes{0x12, 0xf0, 0x12});
  CHECK(rig.keyboard(0xfc) == Bytes{0xfa});
  CHECK(rig.keyboard(0x1c) == Bytes{0xfa});
  CHECK(rig.keyboard(0x32) == Bytes{0xfa});
  CHECK(rig.keyboard(0xf4) == Bytes{0xfa});  // The list ends with the next command.
  CHECK(rig.typed({0x1c, 0xf0, 0x1c}) == Bytes{0x1c, 0xf0, 0x1c});
  CHECK(rig.typed({0x21, 0xf0, 0x21}) == Bytes{0x21});
  CHECK(rig.keyboard(0xf9) == Bytes{0xfa});
  CHECK(rig.typed({0x1c, 0xf0, 0x1c}) == Bytes{0x1c});
  CHECK(rig.keyboard(0xf6) == Bytes{0xfa});
  CHECK(rig.keyboard(0xf0) == Bytes{0xfa});
  CHECK(rig.keyboard(0x00) == Bytes{0xfa, 0x02});
}

TEST_CASE("8042: strokes that nobody reads are bounded, and room() says so") {
  Rig rig;
  ByteReceiver& input = rig.chip.keyboard_input();
  unsigned accepted = 0;
  const auto press = [&] {
    input.receive(++accepted % 2 != 0 ? 0x1c : 0x32);
    REQUIRE(accepted < 2000);
  };
  while (input.room() != 0) press();
  const unsigned before = accepted;
  for (unsigned i = 0; i < 1000; ++i) press();
  for (unsigned i = 0; i < 1000; ++i) rig.command(0x20);
  CHECK(before >= 16);
  CHECK(rig.read_all().size() <= 100);
}

TEST_CASE("8042: A20 follows the output port, DDh, DFh and port 92h, each seen by the other") {
  Rig rig;
  Port92 port92(rig.control, rig.chip);
  CHECK(rig.chip.a20());
  rig.command(0xd1, 0xdd);
  CHECK_FALSE(rig.chip.a20());
  CHECK((in8(port92, 0) & 2) == 0);
  CHECK((rig.answer_to(0xd0) & 3) == 1);
  out8(port92, 0, 0x02);
  CHECK(rig.chip.a20());
  CHECK((rig.answer_to(0xd0) & 2) != 0);
  rig.command(0xdd);
  rig.command(0xdd);
  rig.command(0xdf);
  CHECK(rig.control.a20_changes == std::vector<bool>{false, true, false, true});
  CHECK(rig.control.resets.empty());
}

TEST_CASE("8042: reset through FEh, the output port and port 92h") {
  using Cause = MachineControl::ResetCause;
  Rig rig;
  Port92 port92(rig.control, rig.chip);
  rig.command(0xff);
  rig.command(0xf1);
  CHECK(rig.control.resets.empty());
  rig.command(0xfe);
  rig.command(0xd1, 0x02);
  out8(port92, 0, 0x02);
  out8(port92, 0, 0x03);
  CHECK(rig.control.resets == std::vector<Cause>{Cause::Keyboard, Cause::Keyboard, Cause::Port92});
}

TEST_CASE("8042: D2h and D3h put bytes into the buffer as if a device had sent them") {
  Rig rig;
  rig.command(0x60, 0x47);
  rig.command(0xd2, 0x5a);
  CHECK(rig.irq1.level);
  CHECK(rig.read_all() == Bytes{0x5a});
  rig.command(0xd3, 0xa5);
  CHECK(rig.irq12.level);
  CHECK_FALSE(rig.irq1.level);
  CHECK((rig.status() & 0x21) == 0x21);
  CHECK(rig.read_all() == Bytes{0xa5});
  CHECK_FALSE(rig.irq12.level);
}

TEST_CASE("8042: the mouse resets with FA AA 00 and counts in packets on IRQ 12") {
  Rig rig;
  rig.command(0x60, 0x47);
  CHECK(rig.mouse(0xff) == Bytes{0xfa, 0xaa, 0x00});
  rig.chip.mouse_event(5, 5, 0, 0);
  CHECK(rig.read_all().empty());  // Not enabled yet.
  CHECK(rig.mouse(0xf4) == Bytes{0xfa});
  rig.irq12.rises = 0;
  rig.chip.mouse_event(10, -3, 0, 1);
  CHECK(rig.read_all() == Bytes{0x09, 10, 3});
  CHECK(rig.irq12.rises == 3);
  rig.chip.mouse_event(-300, 0, 0, 0);
  CHECK(rig.read_all() == Bytes{0x18, 0x01, 0, 0x18, 0xd3, 0});
}

TEST_CASE("8042: the wheel shows after the IntelliMouse knock, five buttons after the second") {
  Rig rig;
  rig.command(0xa8);
  CHECK(rig.mouse(0xf2) == Bytes{0xfa, 0x00});
  for (const unsigned rate : {200u, 100u, 80u}) {
    CHECK(rig.mouse(0xf3) == Bytes{0xfa});
    CHECK(rig.mouse(rate) == Bytes{0xfa});
  }
  CHECK(rig.mouse(0xf2) == Bytes{0xfa, 0x03});
  rig.mouse(0xf4);
  rig.chip.mouse_event(0, 0, 1, 0);
  CHECK(rig.read_all() == Bytes{0x08, 0, 0, 0xff});
  for (const unsigned rate : {200u, 200u, 80u}) {
    rig.mouse(0xf3);
    rig.mouse(rate);
  }
  CHECK(rig.mouse(0xf2) == Bytes{0xfa, 0x04});
  rig.chip.mouse_event(0, 0, -1, 0x08);
  CHECK(rig.read_all() == Bytes{0x08, 0, 0, 0x11});
  CHECK(rig.mouse(0xff) == Bytes{0xfa, 0xaa, 0x00});
  CHECK(rig.mouse(0xf2) == Bytes{0xfa, 0x00});
}

TEST_CASE("8042: mouse settings show in its status, and remote mode reports when asked") {
  Rig rig;
  rig.mouse(0xf6);
  CHECK(rig.mouse(0xe9) == Bytes{0xfa, 0x00, 0x02, 100});
  rig.mouse(0xe8);
  CHECK(rig.mouse(0x03) == Bytes{0xfa});
  rig.mouse(0xe8);
  CHECK(rig.mouse(0x04) == Bytes{0xfc});
  rig.mouse(0xe7);
  rig.mouse(0xf4);
  rig.mouse(0xf0);
  rig.chip.mouse_event(7, 0, 0, 2);
  CHECK(rig.mouse(0xe9) == Bytes{0xfa, 0x71, 0x03, 100});
  CHECK(rig.mouse(0xeb) == Bytes{0xfa, 0x0a, 7, 0});
  rig.mouse(0xea);
  rig.chip.mouse_event(3, 10, 0, 0);
  CHECK(rig.read_all() == Bytes{0x28, 3, 0xec});  // 2:1 scaling: 3 stays 3, -10 becomes -20.
  CHECK(rig.mouse(0xee) == Bytes{0xfa});
  CHECK(rig.mouse(0xf2) == Bytes{0xf2});  // Wrap mode: an echo.
  CHECK(rig.mouse(0xec) == Bytes{0xfa});
  CHECK(rig.mouse(0xf2) == Bytes{0xfa, 0x00});
}

TEST_CASE("8042: mouse reports keep to the sample rate and gather motion meanwhile") {
  Rig rig;
  rig.mouse(0xf3);
  rig.mouse(10);
  rig.mouse(0xf4);
  rig.clock.run_for(1'000'000'000);
  unsigned reports = 0;
  unsigned distance = 0;
  for (unsigned i = 0; i < 1000; ++i) {
    rig.chip.mouse_event(1, 0, 0, 0);
    rig.clock.run_for(1'000'000);
    if (!(rig.status() & 1)) continue;
    const Bytes packet = [&] {
      Bytes bytes;
      while (bytes.size() < 3) {
        if (rig.status() & 1) bytes.push_back(in8(rig.chip.data_port(), 0));
        rig.clock.run_for(400'000);
      }
      return bytes;
    }();
    ++reports;
    distance += packet[1];
  }
  CHECK(reports >= 10);
  CHECK(reports <= 12);
  CHECK(distance >= 900);
}

TEST_CASE("8042: a saved controller delivers what was on the wire") {
  Rig rig;
  rig.command(0x60, 0x47);
  rig.chip.keyboard_input().receive(0xf0);
  rig.chip.keyboard_input().receive(0x1c);
  rig.command(0xd4, 0xf2);
  rig.clock.run_for(500'000);
  Rig other;
  REQUIRE(load(other.clock.scheduler, saved(rig.clock.scheduler)));
  REQUIRE(load(other.chip, saved(rig.chip)));
  CHECK(rig.read_all() == Bytes{0x9e, 0xfa, 0x00});
  CHECK(other.read_all() == Bytes{0x9e, 0xfa, 0x00});
  CHECK(saved(other.chip) == saved(rig.chip));
}

TEST_CASE(
    "8042: six bytes of mouse input are one event, also when the machine is saved among them") {
  Rig rig;
  rig.command(0x60, 0x47);
  rig.mouse(0xf4);
  const u8 event[Keyboard8042::kMouseEventBytes] = {0x0a, 0x00, 0xfd, 0xff, 0x00, 0x01};
  for (unsigned i = 0; i < 4; ++i) rig.chip.mouse_input().receive(event[i]);
  CHECK(rig.read_all().empty());
  Rig other;
  REQUIRE(load(other.clock.scheduler, saved(rig.clock.scheduler)));
  REQUIRE(load(other.chip, saved(rig.chip)));
  for (unsigned i = 4; i < 6; ++i) other.chip.mouse_input().receive(event[i]);
  CHECK(other.read_all() == Bytes{0x09, 10, 3});
  rig.chip.reset();
  rig.command(0x60, 0x47);
  rig.mouse(0xf4);
  for (const u8 byte : event) rig.chip.mouse_input().receive(byte);
  CHECK(rig.read_all() == Bytes{0x09, 10, 3});
}

TEST_CASE("8042: a saved state with more than half a mouse event is refused") {
  Rig rig;
  auto bytes = saved(rig.chip);
  bytes.back() = Keyboard8042::kMouseEventBytes;
  Rig other;
  CHECK_FALSE(load(other.chip, bytes));
}
