#include "devices/uart_16550.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/support/device_rig.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

namespace {

constexpr unsigned kData = 0, kIer = 1, kFcr = 2, kIir = 2, kLcr = 3, kMcr = 4, kLsr = 5, kMsr = 6;

struct Rig {
  Clock clock;
  Wire irq;
  TextSink sink;
  Uart16550 uart{"uart0", clock.scheduler, irq, &sink};

  Rig() { uart.reset(); }
  u8 get(unsigned index) { return in8(uart, index); }
  void set(unsigned index, unsigned value) { out8(uart, index, value); }
  void receive(const std::string& text) {
    for (const char c : text) uart.receiver().receive(static_cast<u8>(c));
  }
  /// 115200 baud, 8N1, FIFOs with the given trigger bits, interrupts connected.
  void initialize(unsigned fcr = 0x07) {
    set(kIer, 0);
    set(kLcr, 0x80);
    set(0, 1);
    set(1, 0);
    set(kLcr, 0x03);
    set(kFcr, fcr);
    set(kMcr, 0x0b);
  }
};

/// Ten bits at 115200 baud.
constexpr u64 kCharacterNs = 86'805;

}  // namespace

TEST_CASE("uart: bytes written leave at once and THR is empty again") {
  Rig rig;
  rig.initialize();
  for (const char c : std::string("hello")) {
    CHECK((rig.get(kLsr) & 0x60) == 0x60);
    rig.set(kData, static_cast<u8>(c));
  }
  CHECK(rig.sink.text == "hello");
}

TEST_CASE("uart: the divisor latch hides behind DLAB, the scratch register keeps a byte") {
  Rig rig;
  rig.set(kLcr, 0x83);
  rig.set(0, 0x34);
  rig.set(1, 0x12);
  CHECK(rig.get(0) == 0x34);
  CHECK(rig.get(1) == 0x12);
  rig.set(kLcr, 0x03);
  CHECK(rig.get(1) == 0);
  CHECK(rig.sink.text.empty());
  rig.set(7, 0xa5);
  CHECK(rig.get(7) == 0xa5);
}

TEST_CASE("uart: is recognized as a 16550A with FIFOs, an 16450 without") {
  Rig rig;
  rig.set(kFcr, 0x01);
  CHECK(rig.get(kIir) == 0xc1);
  rig.set(kFcr, 0x00);
  CHECK(rig.get(kIir) == 0x01);
  rig.set(kIer, 0xff);
  CHECK(rig.get(kIer) == 0x0f);
}

TEST_CASE("uart: the THRE interrupt comes when enabled, goes when IIR is read, and comes back") {
  Rig rig;
  rig.initialize();
  rig.set(kIer, 0x02);
  CHECK(rig.irq.level);
  CHECK(rig.get(kIir) == 0xc2);
  CHECK_FALSE(rig.irq.level);
  CHECK(rig.get(kIir) == 0xc1);
  rig.set(kData, 'x');
  CHECK(rig.irq.level);
  CHECK(rig.irq.rises == 2);
  // An edge for every byte, even when the driver does not read IIR in between.
  rig.set(kData, 'y');
  CHECK(rig.irq.rises == 3);
  rig.get(kIir);
  // Linux looks for chips that forget this one.
  rig.set(kIer, 0x00);
  rig.set(kIer, 0x02);
  CHECK((rig.get(kIir) & 0x0f) == 0x02);
  // Writing the same again asks for nothing.
  rig.set(kIer, 0x02);
  CHECK((rig.get(kIir) & 0x0f) == 0x01);
}

TEST_CASE("uart: reading IIR for another cause leaves THRE pending") {
  Rig rig;
  rig.initialize();
  rig.set(kIer, 0x03);
  rig.receive("a");
  CHECK((rig.get(kIir) & 0x0f) == 0x04);
  CHECK(rig.get(kData) == 'a');
  CHECK((rig.get(kIir) & 0x0f) == 0x02);
  CHECK((rig.get(kIir) & 0x0f) == 0x01);
}

TEST_CASE("uart: causes come in the order of the data sheet") {
  Rig rig;
  rig.initialize();
  rig.set(kIer, 0x0f);
  rig.set(kMcr, 0x18);  // Loopback drops the modem lines: deltas.
  rig.set(kMcr, 0x0b);
  rig.receive(std::string(17, 'z'));  // Full, and one too many.
  CHECK((rig.get(kIir) & 0x0f) == 0x06);
  CHECK((rig.get(kLsr) & 0x02) != 0);
  CHECK((rig.get(kIir) & 0x0f) == 0x04);
  for (unsigned i = 0; i < 16; ++i) CHECK(rig.get(kData) == 'z');
  CHECK((rig.get(kIir) & 0x0f) == 0x02);
  CHECK((rig.get(kIir) & 0x0f) == 0x00);
  CHECK(rig.irq.level);
  rig.get(kMsr);
  CHECK((rig.get(kIir) & 0x0f) == 0x01);
  CHECK_FALSE(rig.irq.level);
}

TEST_CASE("uart: received data interrupts at the trigger level") {
  const unsigned levels[] = {1, 4, 8, 14};
  for (unsigned i = 0; i < 4; ++i) {
    Rig rig;
    rig.initialize(0x07 | i << 6);
    rig.set(kIer, 0x01);
    rig.receive(std::string(levels[i] - 1, 'q'));
    CHECK_FALSE(rig.irq.level);
    rig.receive("q");
    CHECK(rig.irq.level);
    CHECK((rig.get(kIir) & 0x0f) == 0x04);
    rig.get(kData);
    CHECK_FALSE(rig.irq.level);
  }
}

TEST_CASE("uart: bytes below the trigger level time out after four characters") {
  Rig rig;
  rig.initialize(0xc7);
  rig.set(kIer, 0x01);
  rig.receive("a");
  rig.clock.run_for(3 * kCharacterNs);
  rig.receive("b");  // Starts over.
  rig.clock.run_for(4 * kCharacterNs - 1000);
  CHECK_FALSE(rig.irq.level);
  rig.clock.run_for(2000);
  CHECK(rig.irq.level);
  CHECK(rig.get(kIir) == 0xcc);
  CHECK(rig.get(kData) == 'a');
  CHECK_FALSE(rig.irq.level);
  rig.clock.run_for(4 * kCharacterNs + 1000);
  CHECK(rig.irq.level);
  CHECK(rig.get(kData) == 'b');
  CHECK_FALSE(rig.irq.level);
  rig.clock.run_for(u64{1'000'000'000});
  CHECK_FALSE(rig.irq.level);
  CHECK(rig.clock.scheduler.next_deadline_ns() == Scheduler::kNever);
}

TEST_CASE("uart: room follows the FIFO, one byte without it, none in loopback") {
  Rig rig;
  CHECK(rig.uart.receiver().room() == 1);
  rig.receive("a");
  CHECK(rig.uart.receiver().room() == 0);
  rig.initialize();
  CHECK(rig.uart.receiver().room() == 16);
  rig.receive("abc");
  CHECK(rig.uart.receiver().room() == 13);
  rig.set(kMcr, 0x10);
  CHECK(rig.uart.receiver().room() == 0);
  rig.set(kMcr, 0x00);
  rig.set(kFcr, 0x03);  // Clears the receiver.
  CHECK(rig.uart.receiver().room() == 16);
  CHECK((rig.get(kLsr) & 0x01) == 0);
}

TEST_CASE("uart: an overrun loses the new byte with FIFOs, the old one without") {
  Rig rig;
  rig.receive("ab");
  CHECK((rig.get(kLsr) & 0x03) == 0x03);
  CHECK((rig.get(kLsr) & 0x03) == 0x01);
  CHECK(rig.get(kData) == 'b');
  rig.initialize();
  rig.receive("0123456789abcdefX");
  CHECK((rig.get(kLsr) & 0x02) != 0);
  std::string text;
  while (rig.get(kLsr) & 1) text.push_back(static_cast<char>(rig.get(kData)));
  CHECK(text == "0123456789abcdef");
}

TEST_CASE("uart: a break shows when it is the next character") {
  Rig rig;
  rig.initialize();
  rig.set(kIer, 0x04);
  rig.receive("a");
  rig.uart.receive_break();
  CHECK((rig.get(kLsr) & 0x9e) == 0x80);  // Somewhere in the FIFO.
  CHECK_FALSE(rig.irq.level);
  rig.get(kData);
  CHECK(rig.irq.level);
  CHECK((rig.get(kLsr) & 0x1c) == 0x18);
  CHECK_FALSE(rig.irq.level);
  CHECK((rig.get(kLsr) & 0x9e) == 0);
  CHECK(rig.get(kData) == 0);
}

TEST_CASE("uart: loopback connects output to input and keeps the outside out") {
  Rig rig;
  rig.initialize();
  rig.set(kMcr, 0x1e);
  rig.set(kData, 0xae);
  CHECK(rig.get(kData) == 0xae);
  CHECK(rig.sink.text.empty());
  rig.receive("x");
  CHECK((rig.get(kLsr) & 1) == 0);
  CHECK((rig.get(kMsr) & 0xf0) == 0xd0);  // RTS, OUT1, OUT2 -> CTS, RI, DCD.
  rig.set(kMcr, 0x10);
  CHECK(rig.get(kMsr) == 0x0d);  // All gone; RI's is a trailing edge.
  rig.set(kMcr, 0x14);
  CHECK(rig.get(kMsr) == 0x40);  // RI's leading edge is no event.
  rig.set(kLcr, 0x43);
  CHECK((rig.get(kLsr) & 0x10) != 0);
  rig.set(kLcr, 0x00);
  rig.set(kFcr, 0x03);
  rig.set(kData, 0xff);
  CHECK(rig.get(kData) == 0x1f);  // Five bits.
}

TEST_CASE("uart: outside loopback a ready terminal is connected") {
  Rig rig;
  CHECK(rig.get(kMsr) == 0xb0);
}

TEST_CASE("uart: OUT2 connects the interrupt to the bus") {
  Rig rig;
  rig.initialize();
  rig.set(kMcr, 0x03);
  rig.set(kIer, 0x02);
  CHECK_FALSE(rig.irq.level);
  rig.set(kMcr, 0x0b);
  CHECK(rig.irq.level);
}

TEST_CASE("uart: a divisor of zero does not make the timeout immediate") {
  Rig rig;
  rig.initialize();
  rig.set(kLcr, 0x80);
  rig.set(0, 0);
  rig.set(kLcr, 0x00);
  rig.receive("a");
  CHECK(rig.clock.scheduler.next_deadline_ns() >= 200'000);
}

TEST_CASE("uart: a saved port keeps its bytes and its timeout") {
  Rig rig;
  rig.initialize(0xc7);
  rig.set(kIer, 0x01);
  rig.receive("abc");
  const std::vector<u8> bytes = saved(rig.uart);
  Rig other;
  REQUIRE(load(other.clock.scheduler, saved(rig.clock.scheduler)));
  REQUIRE(load(other.uart, bytes));
  other.clock.run_for(4 * kCharacterNs + 1000);
  CHECK(other.irq.level);
  CHECK(other.get(kIir) == 0xcc);
  CHECK(other.get(kData) == 'a');
  std::vector<u8> damaged = bytes;
  damaged[33] = 200;
  CHECK_FALSE(load(other.uart, damaged));
}
