#include <doctest/doctest.h>

#include "tests/support/ide_rig.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

namespace {

std::array<u16, 256> identify(IdeRig& rig, unsigned code = 0xec) {
  rig.set(7, code);
  REQUIRE((rig.wait() & 0x89) == 0x08);
  std::array<u16, 256> words{};
  for (u16& word : words) word = rig.get_data();
  return words;
}

std::string text_of(const std::array<u16, 256>& words, unsigned first, unsigned count) {
  std::string text;
  for (unsigned i = first; i < first + count; ++i) {
    text.push_back(static_cast<char>(words[i] >> 8));
    text.push_back(static_cast<char>(words[i] & 0xff));
  }
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

/// The 28-bit address that the registers show.
u64 shown_lba(IdeRig& rig) {
  return rig.get(3) | rig.get(4) << 8 | rig.get(5) << 16 | (rig.get(6) & 0xf) << 24;
}

}  // namespace

TEST_CASE("ide disk: IDENTIFY DEVICE gives names, sizes and geometry, and its bytes add up to 0") {
  IdeRig rig;
  const auto words = identify(rig);
  CHECK(text_of(words, 27, 20) == "doppel hard disk");
  CHECK(text_of(words, 10, 10) == "DP0001");
  CHECK(words[1] == 20'000 / (16 * 63));
  CHECK(words[3] == 16);
  CHECK(words[6] == 63);
  CHECK((words[60] | words[61] << 16) == 20'000);
  CHECK((words[100] | words[101] << 16) == 20'000);
  CHECK((words[57] | words[58] << 16) == words[54] * 16 * 63);
  unsigned sum = 0;
  for (const u16 word : words) sum += (word & 0xff) + (word >> 8);
  CHECK((sum & 0xff) == 0);
  CHECK(rig.alternate_status() == 0x50);
}

TEST_CASE("ide disk: IDENTIFY DEVICE caps what 28 bits and cylinders cannot say") {
  IdeRig rig(u64{0x1'2345'6789});
  const auto words = identify(rig);
  CHECK(words[1] == 16'383);
  CHECK((words[60] | words[61] << 16) == 0x0fff'ffff);
  CHECK(words[100] == 0x6789);
  CHECK(words[101] == 0x2345);
  CHECK(words[102] == 1);
  CHECK((words[83] & 0x0400) != 0);
}

TEST_CASE("ide disk: a read is busy first, then offers a sector with an interrupt") {
  IdeRig rig;
  rig.issue(0x20, 0x123, 2);
  CHECK((rig.alternate_status() & 0x88) == 0x80);
  CHECK_FALSE(rig.irq[0].level);
  rig.clock.run_for(30'000);
  CHECK(rig.irq[0].level);
  CHECK(rig.alternate_status() == 0x58);
  CHECK(rig.irq[0].level);  // The alternate status leaves it alone.
  CHECK(rig.get(7) == 0x58);
  CHECK_FALSE(rig.irq[0].level);
  CHECK(rig.take(512)[0] == 0x23);
  CHECK((rig.alternate_status() & 0x88) == 0x80);
  CHECK((rig.wait() & 0x08) != 0);
  CHECK(rig.irq[0].rises == 2);
  const auto second = rig.take(512);
  CHECK(second[0] == 0x24);
  CHECK(second[1] == 0x01);
  CHECK(rig.alternate_status() == 0x50);
  CHECK(rig.irq[0].rises == 2);
  CHECK(shown_lba(rig) == 0x124);
  CHECK(rig.get(2) == 0);
}

TEST_CASE("ide disk: a write asks for its first sector without an interrupt, then with") {
  IdeRig rig;
  rig.issue(0x30, 7, 2);
  CHECK((rig.wait() & 0x89) == 0x08);
  CHECK(rig.irq[0].rises == 0);
  rig.give(512, 0xbbaa);
  CHECK(rig.medium.written.empty());
  CHECK((rig.wait() & 0x89) == 0x08);
  CHECK(rig.irq[0].rises == 1);
  rig.give(512, 0xddcc);
  CHECK(rig.wait() == 0x50);
  CHECK(rig.irq[0].rises == 2);
  CHECK(rig.medium.at(7, 0) == 0xaa);
  CHECK(rig.medium.at(7, 511) == 0xbb);
  CHECK(rig.medium.at(8, 510) == 0xcc);
  CHECK(rig.ide.sectors_moved() == 2);
}

TEST_CASE("ide disk: data comes by bytes, words and doublewords, and only while DRQ is set") {
  IdeRig rig;
  CHECK(rig.get_data() == 0xffff);
  rig.issue(0x20, 0x0102'0304, 1);
  rig.wait();
  CHECK((rig.get(7) & 1) != 0);  // Beyond the end.
  rig.issue(0x20, 0x304, 1);
  rig.wait();
  auto& ports = rig.ide.command_ports(0);
  CHECK(ports.read(0, Width::Dword) == 0x304);
  CHECK(ports.read(0, Width::Byte) == 0);
  CHECK(ports.read(0, Width::Byte) == 0);
  CHECK(ports.read(0, Width::Word) == 0);
  CHECK(ports.read(0, Width::Dword) == 0x304);
  for (unsigned i = 12; i < 508; i += 4) ports.read(0, Width::Dword);
  CHECK(ports.read(0, Width::Qword) == 0);  // Wider than what is left.
  CHECK(rig.alternate_status() == 0x50);
}

TEST_CASE("ide disk: nIEN keeps the line down, and lets it up again with the interrupt pending") {
  IdeRig rig;
  rig.set_control(0x02);
  rig.issue(0x20, 5, 1);
  rig.clock.run_for(100'000);
  CHECK_FALSE(rig.irq[0].level);
  CHECK((rig.alternate_status() & 0x08) != 0);
  rig.set_control(0x00);
  CHECK(rig.irq[0].level);
  rig.get(7);
  CHECK_FALSE(rig.irq[0].level);
}

TEST_CASE("ide disk: READ and WRITE MULTIPLE move blocks, the last one short") {
  IdeRig rig;
  rig.issue(0xc4, 100, 6);
  CHECK((rig.wait() & 1) != 0);  // Before SET MULTIPLE there is no block.
  CHECK(rig.get(1) == 0x04);
  rig.issue(0xc6, 0, 4);
  CHECK(rig.wait() == 0x50);
  CHECK(identify(rig)[59] == 0x0104);
  const unsigned rises = rig.irq[0].rises;
  rig.issue(0xc4, 100, 6);
  CHECK((rig.wait() & 8) != 0);
  CHECK(rig.take(4 * 512)[3 * 512] == 103);
  CHECK((rig.wait() & 8) != 0);
  CHECK(rig.take(2 * 512)[512] == 105);
  CHECK(rig.wait() == 0x50);
  CHECK(rig.irq[0].rises == rises + 2);
  rig.issue(0xc5, 200, 6);
  rig.wait();
  rig.give(4 * 512, 0x1111);
  CHECK((rig.wait() & 8) != 0);
  rig.give(2 * 512, 0x2222);
  CHECK(rig.wait() == 0x50);
  CHECK(rig.medium.at(203, 0) == 0x11);
  CHECK(rig.medium.at(205, 511) == 0x22);
  CHECK(rig.medium.written.size() == 6);
  rig.issue(0xc6, 0, 3);
  CHECK((rig.wait() & 1) != 0);
}

TEST_CASE("ide disk: 48-bit addresses reach beyond 28 bits, and HOB shows their upper bytes") {
  IdeRig rig(u64{1} << 33);
  const u64 lba = 0x1'2345'6788;
  rig.issue48(0x24, lba, 2);
  CHECK((rig.wait() & 0x89) == 0x08);
  const auto first = rig.take(512);
  CHECK(first[0] == 0x88);
  CHECK(first[3] == 0x23);
  CHECK(first[4] == 0x01);
  rig.wait();
  rig.take(512);
  CHECK((rig.get(3) | rig.get(4) << 8 | rig.get(5) << 16) == 0x45'6789);
  rig.set_control(0x80);
  CHECK((rig.get(3) | rig.get(4) << 8 | rig.get(5) << 16) == 0x00'0123);
  rig.set(1, 0);  // Writing a register ends it.
  CHECK(rig.get(3) == 0x89);
  rig.issue(0x20, 0x0fff'ffff, 1);
  CHECK((rig.wait() & 8) != 0);
  CHECK(rig.take(512)[3] == 0x0f);
  rig.set(6, 0xe0);
  rig.set(7, 0x27);
  CHECK(rig.wait() == 0x50);
  rig.set_control(0x80);
  CHECK(rig.get(4) == 1);
}

TEST_CASE("ide disk: cylinders, heads and sectors follow INITIALIZE DEVICE PARAMETERS") {
  IdeRig rig;
  const auto read = [&](unsigned cylinder, unsigned head, unsigned sector) {
    rig.set(6, 0xa0 | head);
    rig.set(2, 1);
    rig.set(3, sector);
    rig.set(4, cylinder & 0xff);
    rig.set(5, cylinder >> 8);
    rig.set(7, 0x20);
    if ((rig.wait() & 8) == 0) return ~0u;
    const auto bytes = rig.take(512);
    return static_cast<unsigned>(bytes[0] | bytes[1] << 8);
  };
  CHECK(read(2, 3, 4) == (2 * 16 + 3) * 63 + 3);
  CHECK(rig.get(3) == 4);
  CHECK(rig.get(4) == 2);
  CHECK(rig.get(6) == 0xa3);
  rig.set(6, 0xa0 | 3);
  rig.set(2, 17);
  rig.set(7, 0x91);
  CHECK(rig.wait() == 0x50);
  CHECK(read(5, 3, 17) == (5 * 4 + 3) * 17 + 16);
  CHECK(read(5, 3, 18) == ~0u);
  CHECK(rig.get(1) == 0x10);
  CHECK(read(5, 4, 1) == ~0u);
  CHECK(read(5, 3, 0) == ~0u);
  const auto words = identify(rig);
  CHECK(words[55] == 4);
  CHECK(words[56] == 17);
}

TEST_CASE("ide disk: a sector the host cannot read is UNC at its address") {
  IdeRig rig;
  rig.medium.bad.insert(302);
  rig.issue(0xc6, 0, 8);
  rig.wait();
  rig.issue(0xc4, 300, 8);
  CHECK(rig.wait() == 0x51);
  CHECK(rig.get(1) == 0x40);
  CHECK(shown_lba(rig) == 302);
  rig.issue(0x40, 300, 8);
  CHECK(rig.wait() == 0x51);
  CHECK(shown_lba(rig) == 302);
  rig.issue(0x40, 303, 255);
  CHECK(rig.wait() == 0x50);
  rig.issue(0x30, 302, 1);
  rig.wait();
  rig.give(512, 0);
  CHECK(rig.wait() == 0x51);
  CHECK(rig.get(1) == 0x04);
  CHECK(shown_lba(rig) == 302);
}

TEST_CASE("ide disk: beyond the end is IDNF, and a count of 0 is 256 sectors") {
  IdeRig rig;
  rig.issue(0x20, 20'000, 1);
  CHECK(rig.wait() == 0x51);
  CHECK(rig.get(1) == 0x10);
  rig.issue(0x40, 20'000 - 256, 0);
  CHECK(rig.wait() == 0x50);
  rig.issue(0x40, 20'000 - 255, 0);
  CHECK(rig.wait() == 0x51);
  rig.issue48(0x42, ~u64{0}, 0);
  CHECK(rig.wait() == 0x51);
}

TEST_CASE("ide disk: what it does not know, and writes to a read-only medium, are ABRT") {
  IdeRig rig;
  rig.medium.read_only = true;
  for (const unsigned code : {0x00u, 0x08u, 0xa0u, 0xa1u, 0xf9u, 0x30u, 0xcau, 0x34u, 0xffu}) {
    CAPTURE(code);
    rig.issue(code, 0, 1);
    CHECK(rig.wait() == 0x51);
    CHECK(rig.get(1) == 0x04);
  }
  CHECK_FALSE(rig.medium.misused);
}

TEST_CASE("ide disk: power, features, flush and native size answer as drivers expect") {
  IdeRig rig;
  rig.issue(0xe5);
  CHECK(rig.wait() == 0x50);
  CHECK(rig.get(2) == 0xff);
  rig.issue(0xe0);
  rig.wait();
  rig.issue(0xe5);
  rig.wait();
  CHECK(rig.get(2) == 0x00);
  rig.issue(0xe7);
  CHECK(rig.wait() == 0x50);
  CHECK(rig.medium.flushes == 1);
  rig.issue(0xf8);
  CHECK(rig.wait() == 0x50);
  CHECK(shown_lba(rig) == 19'999);
  rig.set(1, 0x03);
  rig.issue(0xef, 0, 0x22);
  CHECK(rig.wait() == 0x50);
  CHECK(identify(rig)[63] == 0x0407);
  rig.set(1, 0x03);
  rig.issue(0xef, 0, 0x45);
  rig.wait();
  CHECK(identify(rig)[63] == 0x0007);
  CHECK(identify(rig)[88] == 0x203f);
  rig.set(1, 0x82);
  rig.issue(0xef);
  CHECK(rig.wait() == 0x50);
  CHECK((identify(rig)[85] & 0x20) == 0);
  rig.set(1, 0xda);
  rig.issue(0xb0, 0xc24f00);
  CHECK(rig.wait() == 0x50);
  CHECK(shown_lba(rig) == 0xc24f00);
}

TEST_CASE("ide channel: a soft reset is busy while held and leaves the drives' signatures") {
  IdeRig rig;
  rig.issue(0x20, 5, 1);
  rig.wait();
  for (unsigned channel = 0; channel < 2; ++channel) {
    rig.channel = channel;
    rig.set_control(0x04);
    rig.clock.run_for(10'000'000);
    CHECK(rig.alternate_status() == 0x80);
    rig.set(7, 0xec);  // Nobody listens.
    rig.set_control(0x00);
    CHECK(rig.alternate_status() == 0x80);
    CHECK(rig.wait() == (channel == 0 ? 0x50 : 0x00));
    CHECK(rig.get(1) == 1);
    CHECK(rig.get(2) == 1);
    CHECK(rig.get(3) == 1);
    CHECK(rig.get(4) == (channel == 0 ? 0x00 : 0x14));
    CHECK(rig.get(5) == (channel == 0 ? 0x00 : 0xeb));
    CHECK(rig.irq[channel].level == false);
  }
  rig.channel = 0;
  CHECK(rig.get_data() == 0xffff);
}

TEST_CASE("ide channel: EXECUTE DEVICE DIAGNOSTIC interrupts with a signature") {
  IdeRig rig;
  rig.set(7, 0x90);
  CHECK(rig.alternate_status() == 0x80);
  rig.clock.run_for(1'000'000);
  CHECK(rig.irq[0].level);
  CHECK(rig.wait() == 0x50);
  CHECK(rig.get(1) == 1);
  CHECK(rig.get(3) == 1);
}

TEST_CASE("ide channel: an absent drive reads as zeros, and both drives hear the task file") {
  IdeRig rig;
  rig.set(6, 0xf0);
  for (unsigned index = 1; index < 8; ++index) CHECK(rig.get(index) == 0);
  CHECK(rig.alternate_status() == 0);
  rig.set(7, 0xec);
  CHECK(rig.clock.scheduler.next_deadline_ns() == Scheduler::kNever);
  rig.set(3, 0x5a);
  rig.set(6, 0xe0);
  CHECK(rig.get(3) == 0x5a);
  CHECK(rig.get(6) == 0xe0);
  FakeMedium other(1000);
  rig.ide.attach(0, 1, std::make_unique<AtaDisk>("hd1", other, "DP0002"));
  rig.ide.reset();
  rig.ide.enable_ports();
  rig.set(6, 0xf0);
  CHECK(rig.get(6) == 0xf0);
  const auto words = identify(rig);
  CHECK(text_of(words, 10, 10) == "DP0002");
  rig.set(7, 0xec);
  rig.clock.run_for(1'000'000);
  CHECK(rig.irq[0].level);
  rig.set(6, 0xe0);  // The other drive does not hold the line.
  CHECK_FALSE(rig.irq[0].level);
}

TEST_CASE("ide controller: ports float until IDETIM enables their decoding") {
  IdeRig rig;
  rig.ide.write_config(0x40, 2, 0);
  CHECK(rig.get(7) == 0xff);
  CHECK(rig.get_data() == 0xffff);
  CHECK(rig.alternate_status() == 0xff);
  rig.set(3, 0x77);
  rig.channel = 1;
  CHECK(rig.get(7) == 0);
  rig.channel = 0;
  rig.ide.write_config(0x41, 1, 0x80);
  CHECK(rig.get(7) == 0x50);
  CHECK(rig.get(3) == 1);
  CHECK(rig.ide.read_config(0x00) == 0x86);
  CHECK(rig.ide.read_config(0x02) == 0x10);
  CHECK(rig.ide.read_config(0x09) == 0x80);
  CHECK(rig.ide.read_config(0x0b) == 0x01);
}
