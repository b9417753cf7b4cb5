#include <doctest/doctest.h>

#include "tests/support/ide_rig.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

namespace {

using Key = std::array<u8, 3>;

struct CdRig : IdeRig {
  CdRig() { channel = 1; }
  /// With a disc in, and nobody surprised by it.
  void insert_disc() {
    cdrom->insert(&disc);
    CHECK((send({0x00}) & 1) != 0);
    CHECK((send({0x00}) & 1) == 0);
  }
  bool fails(std::vector<u8> packet, Key expected) {
    return (send(std::move(packet)) & 1) != 0 && sense() == expected;
  }
};

std::vector<u8> read10(u32 block, u16 count) {
  return {0x28,      0, u8(block >> 24), u8(block >> 16), u8(block >> 8),
          u8(block), 0, u8(count >> 8),  u8(count)};
}

u32 get32(const std::vector<u8>& bytes, size_t at) {
  return u32{bytes[at]} << 24 | u32{bytes[at + 1]} << 16 | u32{bytes[at + 2]} << 8 | bytes[at + 3];
}

}  // namespace

TEST_CASE("ide cdrom: IDENTIFY DEVICE is refused with the signature, the packet form answers") {
  CdRig rig;
  rig.set(7, 0xec);
  CHECK((rig.wait() & 1) != 0);
  CHECK(rig.get(1) == 0x04);
  CHECK(rig.get(4) == 0x14);
  CHECK(rig.get(5) == 0xeb);
  rig.set(7, 0xa1);
  CHECK((rig.wait() & 0x89) == 0x08);
  const auto bytes = rig.take(512);
  CHECK((bytes[0] | bytes[1] << 8) == 0x85c0);
  CHECK(bytes[54 + 1] == 'd');
  rig.set(7, 0x08);
  CHECK(rig.wait() == 0x00);
  CHECK(rig.get(5) == 0xeb);
}

TEST_CASE("ide cdrom: INQUIRY names a removable CD-ROM and obeys the allocation length") {
  CdRig rig;
  const auto all = rig.ask({0x12, 0, 0, 0, 96});
  REQUIRE(all.size() == 36);
  CHECK(all[0] == 5);
  CHECK(all[1] == 0x80);
  CHECK(std::string(all.begin() + 16, all.begin() + 22) == "CD-ROM");
  CHECK(rig.ask({0x12, 0, 0, 0, 5}).size() == 5);
  CHECK(rig.ask({0x12, 0, 0, 0, 0}).empty());
}

TEST_CASE("ide cdrom: an empty drive, a new disc and a good one answer TEST UNIT READY in turn") {
  CdRig rig;
  CHECK(rig.send({0x00}) == 0x51);
  CHECK(rig.get(1) == 0x20);
  CHECK(rig.sense() == Key{2, 0x3a, 1});
  CHECK(rig.sense() == Key{0, 0, 0});
  rig.cdrom->insert(&rig.disc);
  CHECK(rig.ask({0x12, 0, 0, 0, 36}).size() == 36);  // INQUIRY does not take the news.
  CHECK(rig.fails({0x00}, Key{6, 0x28, 0}));
  CHECK((rig.send({0x00}) & 1) == 0);
  rig.cdrom->insert(&rig.disc);
  CHECK(rig.sense() == Key{6, 0x28, 0});
  CHECK((rig.send({0x00}) & 1) == 0);
  rig.cdrom->insert(nullptr);
  CHECK(rig.fails({0x00}, Key{2, 0x3a, 1}));
}

TEST_CASE("ide cdrom: READ(10) comes in chunks of the byte count limit, an interrupt each") {
  CdRig rig;
  rig.insert_disc();
  const unsigned rises = rig.irq[1].rises;
  const auto bytes = rig.ask(read10(10, 3), 2048);
  REQUIRE(bytes.size() == 3 * 2048);
  CHECK(bytes[0] == 40);
  CHECK(bytes[2048] == 44);
  CHECK(bytes[3 * 2048 - 512] == 51);
  CHECK(rig.irq[1].rises == rises + 4);
  // Odd limits are rounded down, long reads refill, and nothing is lost at the seams.
  const auto all = rig.ask(read10(0, 40), 3001);
  REQUIRE(all.size() == 40 * 2048);
  for (size_t i = 0; i < all.size(); i += 512) CHECK(all[i] == i / 512);
  CHECK(rig.ask(read10(0, 0)).empty());
  CHECK(rig.ask({0xa8, 0, 0, 0, 0, 9, 0, 0, 0, 1})[0] == 36);
  CHECK(rig.ask({0xbe, 0, 0, 0, 0, 9, 0, 0, 1, 0x10})[0] == 36);
  CHECK(rig.fails({0xbe, 0, 0, 0, 0, 9, 0, 0, 1, 0xf8}, Key{5, 0x24, 0}));
}

TEST_CASE("ide cdrom: reads beyond the end, bad blocks and a limit of 0 have their sense") {
  CdRig rig;
  rig.insert_disc();
  CHECK(rig.fails(read10(1000, 1), Key{5, 0x21, 0}));
  CHECK(rig.fails(read10(999, 2), Key{5, 0x21, 0}));
  CHECK(rig.fails(read10(0xffff'ffff, 0xffff), Key{5, 0x21, 0}));
  rig.disc.bad.insert(81);
  CHECK(rig.fails(read10(20, 1), Key{3, 0x11, 0}));
  CHECK((rig.send(read10(1, 1), 0) & 1) != 0);
  CHECK(rig.fails({0xd8}, Key{5, 0x20, 0}));
  CHECK_FALSE(rig.disc.misused);
}

TEST_CASE("ide cdrom: with the DMA bit the bus master carries data and a single interrupt comes") {
  CdRig rig;
  rig.insert_disc();
  const unsigned rises = rig.irq[1].rises;
  rig.build_table({{0x10'0000, 0}, {0x11'0000, 0}, {0x12'0000, 0x9000}});
  rig.start_master(IdeRig::Towards::Memory);
  CHECK((rig.send(read10(100, 82), 0, 1) & 0x89) == 0);
  CHECK((rig.get_master(2) & 7) == 4);
  CHECK(rig.irq[1].rises == rises + 1);
  CHECK(rig.byte_at(0x10'0000) == (400 & 0xff));
  CHECK(rig.byte_at(0x12'0000 + 0x9000 - 512) == (727 & 0xff));
}

TEST_CASE("ide cdrom: capacity, table of contents and disc information describe one data track") {
  CdRig rig;
  rig.insert_disc();
  const auto capacity = rig.ask({0x25});
  CHECK(get32(capacity, 0) == 999);
  CHECK(get32(capacity, 4) == 2048);
  const auto toc = rig.ask({0x43, 0, 0, 0, 0, 0, 0, 0, 100});
  REQUIRE(toc.size() == 20);
  CHECK(toc[1] == 18);
  CHECK(toc[6] == 1);
  CHECK(toc[14] == 0xaa);
  CHECK(get32(toc, 16) == 1000);
  const auto msf = rig.ask({0x43, 2, 0, 0, 0, 0, 0xaa, 0, 100});
  REQUIRE(msf.size() == 12);
  CHECK(get32(msf, 8) == 0x000f'19);  // 1150 frames: 00:15:25.
  CHECK(rig.ask({0x43, 0, 1, 0, 0, 0, 0, 0, 100}).size() == 12);
  CHECK(rig.ask({0x43, 0, 0, 0, 0, 0, 0, 0, 100, 0x40}).size() == 12);
  CHECK(rig.ask({0x43, 0, 2, 0, 0, 0, 0, 0, 100}).size() == 48);
  CHECK(rig.fails({0x43, 0, 0, 0, 0, 0, 2, 0, 100}, Key{5, 0x24, 0}));
  CHECK(rig.ask({0x51, 0, 0, 0, 0, 0, 0, 0, 100}).size() == 34);
  const auto track = rig.ask({0x52, 1, 0, 0, 0, 1, 0, 0, 100});
  CHECK(get32(track, 24) == 1000);
  CHECK(rig.ask({0x42, 0, 0x40, 1, 0, 0, 0, 0, 100}).size() == 16);
}

TEST_CASE("ide cdrom: mode pages, configuration and mechanism answer whole") {
  CdRig rig;
  rig.insert_disc();
  const auto caps = rig.ask({0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 100});
  REQUIRE(caps.size() == 28);
  CHECK(caps[1] == 26);
  CHECK(caps[8] == 0x2a);
  CHECK(rig.ask({0x5a, 0, 0x3f, 0, 0, 0, 0, 0, 255}).size() == 52);
  CHECK(rig.ask({0x1a, 0, 0x01, 0, 100}).size() == 12);
  CHECK(rig.fails({0x5a, 0, 0xc1, 0, 0, 0, 0, 0, 100}, Key{5, 0x39, 0}));
  CHECK(rig.fails({0x5a, 0, 0x07, 0, 0, 0, 0, 0, 100}, Key{5, 0x24, 0}));
  const auto features = rig.ask({0x46, 0, 0, 0, 0, 0, 0, 1, 0});
  CHECK(get32(features, 0) == features.size() - 4);
  CHECK(features[7] == 0x08);
  CHECK(rig.ask({0x46, 2, 0, 0x10, 0, 0, 0, 1, 0}).size() == 20);
  CHECK(rig.ask({0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8}).size() == 8);
  // MODE SELECT takes its parameters.
  CHECK((rig.send({0x55, 0x10, 0, 0, 0, 0, 0, 0, 20}, 16) & 8) != 0);
  CHECK(rig.get(4) == 16);
  CHECK((rig.get(2) & 3) == 0);
  rig.give(16, 0);
  CHECK((rig.wait() & 8) != 0);
  CHECK(rig.get(4) == 4);
  rig.give(4, 0);
  CHECK(rig.wait() == 0x50);
}

TEST_CASE("ide cdrom: the guest opens the tray unless it is locked, and events tell of it") {
  CdRig rig;
  unsigned ejects = 0;
  rig.cdrom->set_on_eject([&] { ++ejects; });
  rig.insert_disc();
  const std::vector<u8> events{0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8};
  CHECK(rig.ask(events) == std::vector<u8>{0, 6, 4, 0x10, 2, 2, 0, 0});
  CHECK(rig.ask(events)[4] == 0);
  CHECK((rig.send({0x1e, 0, 0, 0, 1}) & 1) == 0);
  CHECK(rig.cdrom->is_locked());
  CHECK(rig.fails({0x1b, 0, 0, 0, 2}, Key{5, 0x53, 2}));
  CHECK(ejects == 0);
  rig.send({0x1e, 0, 0, 0, 0});
  CHECK((rig.send({0x1b, 0, 0, 0, 2}) & 1) == 0);
  CHECK(ejects == 1);
  CHECK(rig.cdrom->is_tray_open());
  CHECK(rig.fails(read10(0, 1), Key{2, 0x3a, 2}));
  CHECK(rig.ask(events) == std::vector<u8>{0, 6, 4, 0x10, 3, 1, 0, 0});
  CHECK((rig.send({0x1b, 0, 0, 0, 3}) & 1) == 0);
  CHECK(rig.fails({0x00}, Key{6, 0x28, 0}));
  CHECK(rig.ask(read10(1, 1))[0] == 4);
  CHECK(rig.fails({0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8}, Key{5, 0x24, 0}));
  CHECK(rig.ask({0x4a, 1, 0, 0, 0x02, 0, 0, 0, 8}).size() == 4);
}

TEST_CASE("ide cdrom: the button of a locked drive is an event that asks for the disc") {
  CdRig rig;
  rig.insert_disc();
  const std::vector<u8> events{0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8};
  rig.ask(events);
  rig.send({0x1e, 0, 0, 0, 1});
  rig.cdrom->press_eject_button();
  CHECK(rig.ask(events) == std::vector<u8>{0, 6, 4, 0x10, 1, 2, 0, 0});
  CHECK(rig.ask(events)[4] == 0);
  CHECK(rig.ask(read10(1, 1))[0] == 4);
}

TEST_CASE("ide cdrom: a disc taken out in the middle of a read ends it") {
  CdRig rig;
  rig.insert_disc();
  CHECK((rig.send(read10(0, 100)) & 8) != 0);
  rig.cdrom->insert(nullptr);
  rig.take(rig.get(4) | rig.get(5) << 8);
  CHECK((rig.wait() & 1) != 0);
  CHECK(rig.sense() == Key{2, 0x3a, 1});
}
