#include "tests/unit/devices/e1000_rig.h"

namespace doppel::devices {
namespace {

using namespace e1000;
using test::E1000Rig;
using test::in8;

// EECD, as a driver moves the pins.
u16 read_microwire(E1000Rig& rig, unsigned word) {
  constexpr u32 kSk = 1, kCs = 2, kDi = 4, kDo = 8, kReq = 0x40, kGnt = 0x80;
  rig.set(kEecd, kReq);
  REQUIRE((rig.get(kEecd) & kGnt) != 0);
  const auto clock_in = [&](unsigned bits, unsigned count) {
    while (count-- > 0) {
      const u32 pins = kReq | kCs | ((bits >> count & 1) != 0 ? kDi : 0);
      rig.set(kEecd, pins);
      rig.set(kEecd, pins | kSk);
      rig.set(kEecd, pins);
    }
  };
  clock_in(6, 3);  // Start, read.
  clock_in(word, 6);
  CHECK((rig.get(kEecd) & kDo) == 0);
  u16 value = 0;
  for (unsigned i = 0; i < 16; ++i) {
    rig.set(kEecd, kReq | kCs | kSk);
    value = static_cast<u16>(value << 1 | ((rig.get(kEecd) & kDo) != 0 ? 1 : 0));
    rig.set(kEecd, kReq | kCs);
  }
  rig.set(kEecd, 0);
  return value;
}

u32 phy(E1000Rig& rig, unsigned index) {
  rig.set(kMdic, 2u << 26 | 1u << 21 | index << 16);
  CHECK((rig.get(kMdic) & 0x5000'0000) == 0x1000'0000);
  return rig.get(kMdic) & 0xffff;
}

TEST_CASE("e1000: firmware finds an 82540EM with 128 KiB of registers and 64 ports") {
  E1000Rig rig;
  CHECK(rig.card.read_config(0) == 0x86);
  CHECK(rig.card.read_config(2) == 0x0e);
  CHECK(rig.card.read_config(3) == 0x10);
  CHECK(rig.card.read_config(0x3d) == 1);
  rig.card.write_config(0x10, 4, 0xffff'ffff);
  CHECK(rig.card.read_config(0x12) == 0xfe);
  rig.card.write_config(0x18, 4, 0xffff'ffff);
  CHECK(rig.card.read_config(0x18) == 0xc1);
}

TEST_CASE("e1000: the EEPROM says the address and sums to BABAh, over the pins and through EERD") {
  E1000Rig rig;
  CHECK(read_microwire(rig, 0) == 0x5452);
  CHECK(read_microwire(rig, 2) == 0x5634);
  u16 sum = 0;
  for (u32 i = 0; i < 64; ++i) {
    rig.set(kEerd, i << 8 | 1);
    REQUIRE((rig.get(kEerd) & 0x10) != 0);
    const u16 word = static_cast<u16>(rig.get(kEerd) >> 16);
    CHECK(word == read_microwire(rig, i));
    sum = static_cast<u16>(sum + word);
  }
  CHECK(sum == 0xbaba);
}

TEST_CASE("e1000: the PHY is an M88E1000 that has negotiated, if there is a cable") {
  E1000Rig rig;
  CHECK(phy(rig, 2) == 0x0141);
  CHECK((phy(rig, 3) & 0xfff0) == 0x0c20);
  CHECK((phy(rig, 1) & 0x24) == 0x24);
  CHECK((rig.get(kStatus) & status::LU) != 0);

  E1000Rig bare(false);
  CHECK((phy(bare, 1) & 0x24) == 0);
  CHECK((bare.get(kStatus) & status::LU) == 0);
}

TEST_CASE("e1000: a PHY at another address does not answer") {
  E1000Rig rig;
  rig.set(kMdic, 2u << 26 | 2u << 21 | 2u << 16);
  CHECK((rig.get(kMdic) & 0x5000'0000) == 0x5000'0000);
}

TEST_CASE("e1000: negotiating anew takes the link away for a while, and each change is told") {
  E1000Rig rig;
  rig.set(kIms, icr::LSC);
  rig.set(kMdic, 1u << 26 | 1u << 21 | 0x1340);
  CHECK((rig.get(kStatus) & status::LU) == 0);
  CHECK(rig.irq.level);
  CHECK((rig.get(kIcr) & icr::LSC) != 0);
  CHECK_FALSE(rig.irq.level);
  rig.clock.run_for(100'000'000);
  CHECK((rig.get(kStatus) & status::LU) != 0);
  CHECK(rig.irq.level);
}

TEST_CASE("e1000: reading ICR clears it; the line follows causes and mask") {
  E1000Rig rig;
  rig.set(kIcs, icr::TXDW);
  CHECK_FALSE(rig.irq.level);
  rig.set(kIms, icr::TXDW);
  CHECK(rig.irq.level);
  rig.set(kImc, icr::TXDW);
  CHECK_FALSE(rig.irq.level);
  CHECK(rig.get(kIcr) == icr::TXDW);
  CHECK(rig.get(kIcr) == 0);
  rig.set(kIms, icr::TXDW | icr::LSC);
  CHECK(rig.get(kIms) == (icr::TXDW | icr::LSC));
  rig.set(kIcs, icr::LSC);
  rig.set(kIcr, icr::LSC);
  CHECK_FALSE(rig.irq.level);
}

TEST_CASE("e1000: ITR keeps its distance between two interrupts") {
  E1000Rig rig;
  rig.set(kItr, 1000);  // 256 us
  rig.set(kIms, icr::TXDW);
  rig.set(kIcs, icr::TXDW);
  CHECK(rig.irq.rises == 1);
  (void)rig.get(kIcr);
  rig.set(kIcs, icr::TXDW);
  CHECK_FALSE(rig.irq.level);
  rig.clock.run_for(255'000);
  CHECK_FALSE(rig.irq.level);
  rig.clock.run_for(2'000);
  CHECK(rig.irq.rises == 2);
}

TEST_CASE("e1000: the command register's switch keeps INTA quiet") {
  E1000Rig rig;
  rig.set(kIms, icr::TXDW);
  rig.card.write_config(0x04, 2, 0x0407);
  rig.set(kIcs, icr::TXDW);
  CHECK_FALSE(rig.irq.level);
  rig.card.write_config(0x04, 2, 0x0007);
  CHECK(rig.irq.level);
}

TEST_CASE("e1000: IOADDR and IODATA reach every register") {
  E1000Rig rig;
  rig.ports.write(E1000Rig::kPorts, Width::Dword, kStatus);
  CHECK(rig.ports.read(E1000Rig::kPorts + 4, Width::Dword) == rig.get(kStatus));
  rig.ports.write(E1000Rig::kPorts, Width::Dword, kRal + 8);
  rig.ports.write(E1000Rig::kPorts + 4, Width::Dword, 0x1234'5678);
  CHECK(rig.get(kRal + 8) == 0x1234'5678);
  rig.ports.write(E1000Rig::kPorts, Width::Dword, 0xffff'fffc);
  CHECK(rig.ports.read(E1000Rig::kPorts + 4, Width::Dword) == 0);
}

TEST_CASE("e1000: CTRL.RST brings registers back, and the address out of the EEPROM") {
  E1000Rig rig;
  rig.set(kRal, 0);
  rig.set(kIms, icr::TXDW);
  rig.set(kRctl, rctl::EN);
  rig.set(kCtrl, ctrl::RST);
  CHECK((rig.get(kCtrl) & ctrl::RST) == 0);
  CHECK(rig.get(kRal) == 0x1200'5452);
  CHECK(rig.get(kRal + 4) == 0x8000'5634);
  CHECK(rig.get(kIms) == 0);
  CHECK(rig.get(kRctl) == 0);
}

TEST_CASE("e1000: a saved card is the same after it was loaded, damaged state is refused or harmless") {
  E1000Rig rig;
  rig.start_receiver();
  rig.start_transmitter();
  rig.card.receive(test::make_frame(test::kCardMac, 100));
  // A packet of which the end is still to come.
  rig.queue(rig.put_data(test::make_frame(test::kCardMac, 100)), 0x2000'0000u | 0x0010'0000u | 100);
  rig.kick();
  const std::vector<u8> bytes = test::saved(rig.card);
  E1000Rig other;
  REQUIRE(test::load(other.card, bytes));
  CHECK(test::saved(other.card) == bytes);
  for (size_t i = 0; i < bytes.size(); i += 7) {
    std::vector<u8> damaged = bytes;
    damaged[i] ^= 0xff;
    E1000Rig victim;
    (void)test::load(victim.card, damaged);
    victim.card.receive(test::make_frame(test::kCardMac, 100));
    victim.kick();
    victim.clock.run_for(1'000'000);
  }
}

}  // namespace
}  // namespace doppel::devices
