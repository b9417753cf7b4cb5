#include "devices/pic_8259.h"

#include <doctest/doctest.h>

#include "tests/support/device_rig.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

namespace {

struct Rig {
  Wire intr;
  Pic8259Pair pic{intr};

  Rig() { pic.reset(); }

  /// Vectors 20h.. and 28h.., as Linux initializes the pair; everything unmasked.
  void initialize(u8 master_icw4 = 0x01, u8 slave_icw4 = 0x01) {
    out8(pic.master_ports(), 0, 0x11);
    out8(pic.master_ports(), 1, 0x20);
    out8(pic.master_ports(), 1, 0x04);
    out8(pic.master_ports(), 1, master_icw4);
    out8(pic.slave_ports(), 0, 0x11);
    out8(pic.slave_ports(), 1, 0x28);
    out8(pic.slave_ports(), 1, 0x02);
    out8(pic.slave_ports(), 1, slave_icw4);
    out8(pic.master_ports(), 1, 0x00);
    out8(pic.slave_ports(), 1, 0x00);
  }
  void raise(unsigned irq) { pic.line(irq).set(true); }
  void lower(unsigned irq) { pic.line(irq).set(false); }
  void edge(unsigned irq) {
    lower(irq);
    raise(irq);
  }
  void master(u8 ocw) { out8(pic.master_ports(), 0, ocw); }
  void slave(u8 ocw) { out8(pic.slave_ports(), 0, ocw); }
  u8 master_isr() {
    master(0x0b);
    return in8(pic.master_ports(), 0);
  }
  u8 slave_isr() {
    slave(0x0b);
    return in8(pic.slave_ports(), 0);
  }
  u8 master_irr() {
    master(0x0a);
    return in8(pic.master_ports(), 0);
  }
};

}  // namespace

TEST_CASE("pic: is quiet before its first initialization") {
  Rig rig;
  rig.raise(0);
  CHECK_FALSE(rig.intr.level);
}

TEST_CASE("pic: an edge becomes INTR, and INTA gives base plus line and sets the in-service bit") {
  Rig rig;
  rig.initialize();
  rig.raise(4);
  CHECK(rig.intr.level);
  CHECK(rig.master_irr() == 0x10);
  CHECK(rig.pic.acknowledge() == 0x24);
  CHECK_FALSE(rig.intr.level);
  CHECK(rig.master_irr() == 0);
  CHECK(rig.master_isr() == 0x10);
  rig.master(0x20);
  CHECK(rig.master_isr() == 0);
  // The line is still high: no new edge, no new interrupt.
  CHECK_FALSE(rig.intr.level);
}

TEST_CASE("pic: lower priorities wait for the end of interrupt, higher ones nest") {
  Rig rig;
  rig.initialize();
  rig.raise(3);
  CHECK(rig.pic.acknowledge() == 0x23);
  rig.raise(5);
  CHECK_FALSE(rig.intr.level);
  rig.raise(1);
  CHECK(rig.intr.level);
  CHECK(rig.pic.acknowledge() == 0x21);
  CHECK(rig.master_isr() == 0x0a);
  rig.master(0x20);  // Ends the highest: 1.
  CHECK(rig.master_isr() == 0x08);
  CHECK_FALSE(rig.intr.level);
  rig.master(0x63);  // Specific: 3.
  CHECK(rig.intr.level);
  CHECK(rig.pic.acknowledge() == 0x25);
}

TEST_CASE("pic: a slave line goes through input 2 and needs two ends of interrupt") {
  Rig rig;
  rig.initialize();
  rig.raise(12);
  CHECK(rig.intr.level);
  CHECK(rig.pic.acknowledge() == 0x2c);
  CHECK(rig.master_isr() == 0x04);
  CHECK(rig.slave_isr() == 0x10);
  rig.raise(14);
  rig.slave(0x20);
  CHECK_FALSE(rig.intr.level);  // The master still has input 2 in service.
  rig.master(0x20);
  CHECK(rig.intr.level);
  CHECK(rig.pic.acknowledge() == 0x2e);
}

TEST_CASE("pic: in auto-EOI mode a second slave request is not lost") {
  Rig rig;
  rig.initialize(0x03, 0x03);
  rig.raise(8);
  rig.raise(9);
  CHECK(rig.pic.acknowledge() == 0x28);
  CHECK(rig.intr.level);
  CHECK(rig.pic.acknowledge() == 0x29);
  CHECK_FALSE(rig.intr.level);
  CHECK(rig.master_isr() == 0);
}

TEST_CASE("pic: a level request that went away is a spurious 7 without an in-service bit") {
  Rig rig;
  rig.initialize();
  out8(rig.pic.elcr_ports(), 0, 0x20);
  rig.raise(5);
  CHECK(rig.intr.level);
  rig.lower(5);
  CHECK_FALSE(rig.intr.level);
  CHECK(rig.pic.acknowledge() == 0x27);
  CHECK(rig.master_isr() == 0);
}

TEST_CASE(
    "pic: a slave request that went away is a spurious 15, and the master's input 2 is in "
    "service") {
  Rig rig;
  rig.initialize();
  out8(rig.pic.elcr_ports(), 1, 0x08);
  rig.raise(11);
  rig.lower(11);
  // The master latched the slave's edge.
  CHECK(rig.intr.level);
  CHECK(rig.pic.acknowledge() == 0x2f);
  CHECK(rig.slave_isr() == 0);
  CHECK(rig.master_isr() == 0x04);
}

TEST_CASE("pic: ELCR keeps the timer, keyboard, cascade, RTC and FPU lines edge-triggered") {
  Rig rig;
  out8(rig.pic.elcr_ports(), 0, 0xff);
  out8(rig.pic.elcr_ports(), 1, 0xff);
  CHECK(in8(rig.pic.elcr_ports(), 0) == 0xf8);
  CHECK(in8(rig.pic.elcr_ports(), 1) == 0xde);
}

TEST_CASE("pic: a level line that stays up interrupts again after the end of interrupt") {
  Rig rig;
  rig.initialize();
  out8(rig.pic.elcr_ports(), 1, 0x02);
  rig.raise(9);
  CHECK(rig.pic.acknowledge() == 0x29);
  CHECK_FALSE(rig.intr.level);
  rig.slave(0x20);
  rig.master(0x20);
  CHECK(rig.intr.level);
  rig.lower(9);
  CHECK(rig.pic.acknowledge() == 0x2f);
}

TEST_CASE("pic: ICW1 with LTIM makes every input level-triggered") {
  Rig rig;
  out8(rig.pic.master_ports(), 0, 0x19);
  out8(rig.pic.master_ports(), 1, 0x20);
  out8(rig.pic.master_ports(), 1, 0x04);
  out8(rig.pic.master_ports(), 1, 0x01);
  rig.raise(0);
  CHECK(rig.intr.level);
  rig.lower(0);
  CHECK_FALSE(rig.intr.level);
}

TEST_CASE("pic: a masked line is remembered and comes when it is unmasked") {
  Rig rig;
  rig.initialize();
  out8(rig.pic.master_ports(), 1, 0xff);
  CHECK(in8(rig.pic.master_ports(), 1) == 0xff);
  rig.pic.line(6).pulse();
  CHECK_FALSE(rig.intr.level);
  out8(rig.pic.master_ports(), 1, 0xbf);
  CHECK(rig.intr.level);
  CHECK(rig.pic.acknowledge() == 0x26);
}

TEST_CASE(
    "pic: ICW1 forgets edges, in-service bits and the mask; a line that is up needs a new edge") {
  Rig rig;
  rig.initialize();
  rig.raise(1);
  CHECK(rig.pic.acknowledge() == 0x21);
  rig.raise(4);
  rig.initialize();
  CHECK(rig.master_isr() == 0);
  CHECK_FALSE(rig.intr.level);
  CHECK(in8(rig.pic.master_ports(), 1) == 0);
  rig.edge(4);
  CHECK(rig.pic.acknowledge() == 0x24);
}

TEST_CASE("pic: single mode skips ICW3 and has no cascade") {
  Rig rig;
  out8(rig.pic.master_ports(), 0, 0x13);
  out8(rig.pic.master_ports(), 1, 0x40);
  out8(rig.pic.master_ports(), 1, 0x01);  // ICW4 already.
  out8(rig.pic.master_ports(), 1, 0xf0);  // The mask already.
  CHECK(in8(rig.pic.master_ports(), 1) == 0xf0);
  rig.raise(3);
  CHECK(rig.pic.acknowledge() == 0x43);
}

TEST_CASE("pic: rotation on non-specific EOI gives the level just served the lowest priority") {
  Rig rig;
  rig.initialize();
  rig.raise(4);
  CHECK(rig.pic.acknowledge() == 0x24);
  rig.master(0xa0);
  rig.edge(4);
  rig.raise(6);
  CHECK(rig.pic.acknowledge() == 0x26);
  rig.master(0x20);
  CHECK(rig.pic.acknowledge() == 0x24);
}

TEST_CASE("pic: set priority moves the lowest level, and specific rotation ends and moves") {
  Rig rig;
  rig.initialize();
  rig.master(0xc5);  // 5 is lowest, 6 is highest.
  rig.raise(0);
  rig.raise(6);
  CHECK(rig.pic.acknowledge() == 0x26);
  rig.master(0xe6);  // Ends 6, which becomes lowest.
  CHECK(rig.master_isr() == 0);
  CHECK(rig.pic.acknowledge() == 0x20);
  rig.raise(7);
  CHECK(rig.intr.level);  // 7 is highest now.
}

TEST_CASE("pic: rotation in auto-EOI mode serves equal devices in turn") {
  Rig rig;
  rig.initialize(0x03);
  rig.master(0x80);
  rig.raise(3);
  CHECK(rig.pic.acknowledge() == 0x23);
  rig.edge(3);
  rig.raise(5);
  CHECK(rig.pic.acknowledge() == 0x25);
  CHECK(rig.pic.acknowledge() == 0x23);
}

TEST_CASE("pic: special mask mode lets lower levels through a masked level in service") {
  Rig rig;
  rig.initialize();
  rig.raise(1);
  CHECK(rig.pic.acknowledge() == 0x21);
  rig.raise(6);
  CHECK_FALSE(rig.intr.level);
  out8(rig.pic.master_ports(), 1, 0x02);
  rig.master(0x68);
  CHECK(rig.intr.level);
  CHECK(rig.pic.acknowledge() == 0x26);
  rig.master(0x20);  // Ends 6, not the masked 1.
  CHECK(rig.master_isr() == 0x02);
  rig.master(0x48);
  rig.edge(6);
  CHECK_FALSE(rig.intr.level);
}

TEST_CASE("pic: special fully nested mode lets a slave interrupt its own lower level") {
  Rig rig;
  rig.initialize(0x11);
  rig.raise(12);
  CHECK(rig.pic.acknowledge() == 0x2c);
  rig.raise(8);
  CHECK(rig.intr.level);
  CHECK(rig.pic.acknowledge() == 0x28);
  // Without the mode the master's input 2 blocks it.
  Rig plain;
  plain.initialize();
  plain.raise(12);
  CHECK(plain.pic.acknowledge() == 0x2c);
  plain.raise(8);
  CHECK_FALSE(plain.intr.level);
}

TEST_CASE("pic: a poll is an acknowledge by reading") {
  Rig rig;
  rig.initialize();
  rig.master(0x0c);
  CHECK((in8(rig.pic.master_ports(), 0) & 0x80) == 0);
  rig.raise(3);
  rig.master(0x0c);
  CHECK(in8(rig.pic.master_ports(), 0) == 0x83);
  CHECK_FALSE(rig.intr.level);
  CHECK(rig.master_isr() == 0x08);
}

TEST_CASE("pic: nothing is heard on line 2") {
  Rig rig;
  rig.initialize();
  rig.raise(2);
  CHECK_FALSE(rig.intr.level);
}

TEST_CASE("pic: a saved pair goes on where it was, with its lines") {
  Rig rig;
  rig.initialize();
  rig.raise(12);
  CHECK(rig.pic.acknowledge() == 0x2c);
  rig.raise(1);
  Rig other;
  REQUIRE(load(other.pic, saved(rig.pic)));
  CHECK(other.intr.level);
  CHECK(other.pic.acknowledge() == 0x21);
  other.master(0x20);
  other.slave(0x20);
  other.master(0x20);
  CHECK(saved(other.pic) != saved(rig.pic));
  other.raise(12);  // Was up already: no edge.
  CHECK_FALSE(other.intr.level);
}

TEST_CASE("pic: a damaged state is refused") {
  Rig rig;
  std::vector<u8> bytes = saved(rig.pic);
  bytes.pop_back();
  CHECK_FALSE(load(rig.pic, bytes));
}
