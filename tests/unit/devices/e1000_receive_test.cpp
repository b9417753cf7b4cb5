#include <zlib.h>

#include "tests/unit/devices/e1000_rig.h"

namespace doppel::devices {
namespace {

using namespace e1000;
using test::Bytes;
using test::E1000Rig;

constexpr MacAddress kBroadcast = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
constexpr MacAddress kStranger = {0x52, 0x54, 0x00, 0x00, 0x00, 0x01};
constexpr MacAddress kGroup = {0x01, 0x00, 0x5e, 0x01, 0x02, 0x03};

constexpr u8 kDone = 0x01;
constexpr u8 kEop = 0x02;
constexpr u8 kVp = 0x08;
constexpr u8 kTcpcs = 0x20;
constexpr u8 kIpcs = 0x40;
constexpr u8 kPif = 0x80;

bool arrives(E1000Rig& rig, const MacAddress& to) {
  const u32 before = rig.get(kRdh);
  rig.card.receive(test::make_frame(to, 100));
  return rig.get(kRdh) != before;
}

TEST_CASE("e1000 receive: a frame reaches its buffer with its check sequence, and is told") {
  E1000Rig rig;
  rig.start_receiver();
  rig.set(kIms, icr::RXT0);
  REQUIRE(rig.card.can_receive());
  const Bytes frame = test::make_frame(test::kCardMac, 100);
  rig.card.receive(frame);
  CHECK(rig.irq.level);
  CHECK((rig.get(kIcr) & icr::RXT0) != 0);
  const auto found = rig.received(0);
  CHECK((found.status & (kDone | kEop)) == (kDone | kEop));
  CHECK(found.errors == 0);
  REQUIRE(found.length == 104);
  CHECK(std::equal(frame.begin(), frame.end(), found.bytes.begin()));
  const u32 fcs = found.bytes[100] | u32{found.bytes[101]} << 8 | u32{found.bytes[102]} << 16 | u32{found.bytes[103]} << 24;
  CHECK(fcs == ::crc32(0, frame.data(), 100));
  CHECK(rig.get(kRdh) == 1);
}

TEST_CASE("e1000 receive: short frames are filled up, SECRC takes the check sequence away") {
  E1000Rig rig;
  rig.start_receiver(rctl::SECRC);
  rig.card.receive(test::make_frame(test::kCardMac, 42));
  const auto found = rig.received(0);
  CHECK(found.length == 60);
  CHECK(found.bytes[41] == static_cast<u8>(41 * 7));
  CHECK(found.bytes[59] == 0);
}

TEST_CASE("e1000 receive: a frame larger than a buffer takes several") {
  E1000Rig rig;
  rig.start_receiver(rctl::SECRC | 3u << 16);  // 256 bytes
  const Bytes frame = test::make_frame(test::kCardMac, 600);
  rig.card.receive(frame);
  CHECK(rig.get(kRdh) == 3);
  CHECK(rig.received(0).length == 256);
  CHECK((rig.received(0).status & kEop) == 0);
  const auto last = rig.received(2);
  CHECK(last.length == 88);
  CHECK((last.status & kEop) != 0);
  CHECK(std::equal(last.bytes.begin(), last.bytes.end(), frame.begin() + 512));
}

TEST_CASE("e1000 receive: filters let in what they should") {
  E1000Rig rig;
  rig.start_receiver(0);
  CHECK(arrives(rig, test::kCardMac));
  CHECK_FALSE(arrives(rig, kStranger));
  CHECK_FALSE(arrives(rig, kBroadcast));
  CHECK_FALSE(arrives(rig, kGroup));
  rig.set(kRctl, rctl::EN | rctl::BAM);
  CHECK(arrives(rig, kBroadcast));
  rig.set(kRctl, rctl::EN | rctl::UPE);
  CHECK(arrives(rig, kStranger));
  CHECK_FALSE(arrives(rig, kGroup));
  rig.set(kRctl, rctl::EN | rctl::MPE);
  CHECK(arrives(rig, kGroup));
  // An exact address of its own, and one that is not valid.
  rig.set(kRctl, rctl::EN);
  rig.set(kRal + 8, 0x0000'5452);
  rig.set(kRal + 12, 0x8000'0100);
  CHECK(arrives(rig, kStranger));
  rig.set(kRal + 12, 0x0000'0100);
  CHECK_FALSE(arrives(rig, kStranger));
}

TEST_CASE("e1000 receive: the multicast table is asked by the bits that RCTL.MO picks, and says so") {
  // The address ends in 02 03, highest byte last: 0302.
  constexpr u32 kIndexes[] = {0x030, 0x060, 0x0c0, 0x302};
  for (u32 mo = 0; mo < 4; ++mo) {
    E1000Rig rig;
    rig.start_receiver(mo << 12);
    CAPTURE(mo);
    const u32 index = kIndexes[mo];
    CHECK_FALSE(arrives(rig, kGroup));
    rig.set(kMta + 4 * (index >> 5), 1u << (index & 31));
    CHECK(arrives(rig, kGroup));
    CHECK((rig.received(0).status & kPif) != 0);
  }
}

TEST_CASE("e1000 receive: VLAN tags are filtered by their table and taken out of frames") {
  E1000Rig rig;
  rig.start_receiver(rctl::SECRC | rctl::VFE);
  rig.set(kVet, 0x8100);
  Bytes frame = test::make_frame(test::kCardMac, 100, 0x8100);
  store_be16(frame.data() + 14, 0x2005);
  rig.card.receive(frame);
  CHECK(rig.get(kRdh) == 0);
  rig.set(kVfta, 1u << 5);
  rig.set(kCtrl, rig.get(kCtrl) | ctrl::VME);
  rig.card.receive(frame);
  const auto found = rig.received(0);
  CHECK((found.status & kVp) != 0);
  CHECK(found.special == 0x2005);
  CHECK(found.length == 96);
  CHECK(found.bytes[12] == frame[16]);
}

TEST_CASE("e1000 receive: checksums of IP and TCP are looked at, and damage is told") {
  E1000Rig rig;
  rig.start_receiver();
  rig.set(kRxcsum, rxcsum::IPOFL | rxcsum::TUOFL);
  const Bytes good = test::make_tcp_frame(33);
  rig.card.receive(good);
  CHECK((rig.received(0).status & (kIpcs | kTcpcs)) == (kIpcs | kTcpcs));
  CHECK(rig.received(0).errors == 0);
  Bytes bad = good;
  bad.back() ^= 1;
  rig.card.receive(bad);
  CHECK(rig.received(1).errors == 0x20);
  bad = good;
  bad[14 + 8] ^= 1;  // Time to live.
  rig.card.receive(bad);
  CHECK(rig.received(2).errors == 0x40);
  rig.card.receive(test::make_frame(test::kCardMac, 100));
  CHECK((rig.received(3).status & (kIpcs | kTcpcs)) == 0);
}

TEST_CASE("e1000 receive: headers that lie about their lengths are not followed") {
  E1000Rig rig;
  rig.start_receiver();
  rig.set(kRxcsum, rxcsum::IPOFL | rxcsum::TUOFL);
  const Bytes good = test::make_tcp_frame(6);
  for (const auto& [at, value] : {std::pair<size_t, u8>{14, 0x4f}, {14, 0x41}, {16, 0xff}, {17, 0x05}}) {
    Bytes bad = good;
    bad[at] = value;
    rig.card.receive(bad);
  }
  for (size_t size = 14; size < good.size(); ++size) {
    rig.set(kRdt, (rig.get(kRdh) + 15) % 16);
    rig.card.receive({good.data(), size});
  }
  CHECK(rig.card.can_receive());
}

TEST_CASE("e1000 receive: without room frames are lost, counted and told") {
  E1000Rig rig;
  rig.start_receiver();
  for (u32 i = 0; i < 15; ++i) rig.card.receive(test::make_frame(test::kCardMac, 100));
  CHECK_FALSE(rig.card.can_receive());
  (void)rig.get(kIcr);
  rig.card.receive(test::make_frame(test::kCardMac, 100));
  CHECK((rig.get(kIcr) & icr::RXO) != 0);
  CHECK(rig.get(kStatistics + 0x10) == 1);  // MPC
  CHECK(rig.get(kStatistics + 0x74) == 15);
  rig.set(kRdt, 3);
  CHECK(rig.card.can_receive());
}

TEST_CASE("e1000 receive: few descriptors left are told by RXDMT0") {
  E1000Rig rig;
  rig.start_receiver(2u << 8);  // An eighth of 16.
  for (u32 i = 0; i < 12; ++i) rig.card.receive(test::make_frame(test::kCardMac, 100));
  CHECK((rig.get(kIcr) & icr::RXDMT0) == 0);
  rig.card.receive(test::make_frame(test::kCardMac, 100));
  CHECK((rig.get(kIcr) & icr::RXDMT0) != 0);
}

TEST_CASE("e1000 receive: RDTR waits for more frames, RADV not longer") {
  E1000Rig rig;
  rig.start_receiver();
  rig.set(kIms, icr::RXT0);
  rig.set(kRdtr, 50);
  rig.set(kRadv, 80);
  rig.card.receive(test::make_frame(test::kCardMac, 100));
  CHECK_FALSE(rig.irq.level);
  rig.clock.run_for(40 * 1024);
  rig.card.receive(test::make_frame(test::kCardMac, 100));
  rig.clock.run_for(39 * 1024);
  CHECK_FALSE(rig.irq.level);
  rig.clock.run_for(2 * 1024);
  CHECK(rig.irq.level);
  // FPD tells at once.
  (void)rig.get(kIcr);
  rig.card.receive(test::make_frame(test::kCardMac, 100));
  CHECK_FALSE(rig.irq.level);
  rig.set(kRdtr, 1u << 31 | 50);
  CHECK(rig.irq.level);
}

TEST_CASE("e1000 receive: nothing comes in while it is off, no bus master, or has no cable") {
  E1000Rig rig;
  rig.start_receiver();
  rig.set(kRctl, 0);
  CHECK_FALSE(rig.card.can_receive());
  rig.set(kRctl, rctl::EN);
  rig.card.write_config(0x04, 2, 0x0003);
  CHECK_FALSE(rig.card.can_receive());
  CHECK_FALSE(arrives(rig, test::kCardMac));
  E1000Rig bare(false);
  bare.start_receiver();
  CHECK_FALSE(bare.card.can_receive());
  CHECK_FALSE(arrives(bare, test::kCardMac));
}

TEST_CASE("e1000 receive: a ring where no memory is swallows frames") {
  E1000Rig rig;
  rig.start_receiver();
  rig.set(kRdbah, 0xffff'ffff);
  rig.card.receive(test::make_frame(test::kCardMac, 100));
  CHECK(rig.get(kRdh) == 1);
  CHECK(rig.received(0).status == 0);
}

}  // namespace
}  // namespace doppel::devices
