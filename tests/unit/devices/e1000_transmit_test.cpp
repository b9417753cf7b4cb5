#include "tests/unit/devices/e1000_rig.h"

namespace doppel::devices {
namespace {

using namespace e1000;
using test::Bytes;
using test::E1000Rig;

// The upper half of a descriptor.
constexpr u64 kEop = u64{1} << 24;
constexpr u64 kIfcs = u64{1} << 25;
constexpr u64 kIc = u64{1} << 26;
constexpr u64 kTse = u64{1} << 26;
constexpr u64 kRs = u64{1} << 27;
constexpr u64 kDext = u64{1} << 29;
constexpr u64 kVle = u64{1} << 30;
constexpr u64 kIde = u64{1} << 31;
constexpr u64 kData = u64{1} << 20;
constexpr u64 kIxsm = u64{1} << 40;
constexpr u64 kTxsm = u64{1} << 41;
constexpr u64 kContextTcp = u64{1} << 24;
constexpr u64 kContextIp = u64{1} << 25;

/// Headers of Ethernet, IPv4 and TCP without options.
u64 context_low() { return 14 | u64{24} << 8 | u64{33} << 16 | u64{34} << 32 | u64{50} << 40; }

/// Whether IP and TCP checksums of a frame are right.
bool is_sound(const Bytes& frame) {
  const u8* const ip = frame.data() + 14;
  const size_t total = load_be16(ip + 2);
  if (14 + total > frame.size()) return false;
  const u64 header = add_to_sum(0, {ip, 20});
  const u64 pseudo = add_to_sum(6 + total - 20, {ip + 12, 8});
  return fold_sum(header) == 0xffff && fold_sum(add_to_sum(pseudo, {ip + 20, total - 20})) == 0xffff;
}

/// What a driver leaves where the checksum of TCP goes: the pseudo header, with or without length.
void prepare_for_offload(Bytes& frame, size_t length) {
  u8* const ip = frame.data() + 14;
  store_be16(ip + 10, 0);
  store_be16(ip + 20 + 16, fold_sum(add_to_sum(6 + length, {ip + 12, 8})));
}

TEST_CASE("e1000 transmit: a packet of several descriptors leaves as one frame, each is written back") {
  E1000Rig rig;
  rig.start_transmitter();
  rig.set(kIms, icr::TXDW | icr::TXQE);
  const Bytes frame = test::make_frame(test::kCardMac, 200);
  const Bytes first(frame.begin(), frame.begin() + 14);
  const Bytes second(frame.begin() + 14, frame.end());
  rig.queue(rig.put_data(first), 14 | kIfcs | kRs);
  rig.kick();
  CHECK(rig.link.frames.empty());
  CHECK(rig.get(kTdh) == 1);
  rig.queue(rig.put_data(second), 186 | kIfcs | kRs | kEop);
  rig.kick();
  REQUIRE(rig.link.frames.size() == 1);
  CHECK(rig.link.frames[0] == frame);
  CHECK(rig.transmit_status(0) == 1);
  CHECK(rig.transmit_status(1) == 1);
  CHECK(rig.get(kTdh) == 2);
  CHECK(rig.irq.level);
  CHECK((rig.get(kIcr) & (icr::TXDW | icr::TXQE)) == (icr::TXDW | icr::TXQE));
}

TEST_CASE("e1000 transmit: without RS nothing is written back") {
  E1000Rig rig;
  rig.start_transmitter();
  rig.queue(rig.put_data(test::make_frame(test::kCardMac, 60)), 60 | kEop);
  rig.kick();
  CHECK(rig.link.frames.size() == 1);
  CHECK(rig.transmit_status(0) == 0);
  CHECK((rig.get(kIcr) & icr::TXDW) == 0);
}

TEST_CASE("e1000 transmit: what waits goes out once it may: transmitter, bus master, link") {
  E1000Rig rig;
  rig.start_transmitter();
  rig.set(kTctl, 0);
  rig.queue(rig.put_data(test::make_frame(test::kCardMac, 60)), 60 | kEop);
  rig.kick();
  CHECK(rig.link.frames.empty());
  rig.card.write_config(0x04, 2, 0x0003);
  rig.set(kTctl, tctl::EN);
  CHECK(rig.link.frames.empty());
  rig.set(kMdic, 1u << 26 | 1u << 21 | 0x1340);
  rig.card.write_config(0x04, 2, 0x0007);
  CHECK(rig.link.frames.empty());
  rig.clock.run_for(100'000'000);
  CHECK(rig.link.frames.size() == 1);
}

TEST_CASE("e1000 transmit: TIDV gathers interrupts of descriptors with IDE, TADV bounds the wait") {
  E1000Rig rig;
  rig.start_transmitter();
  rig.set(kTidv, 100);
  rig.set(kTadv, 150);
  rig.set(kIms, icr::TXDW);
  const u64 at = rig.put_data(test::make_frame(test::kCardMac, 60));
  rig.queue(at, 60 | kEop | kRs | kIde);
  rig.kick();
  CHECK_FALSE(rig.irq.level);
  rig.clock.run_for(90 * 1024);
  rig.queue(at, 60 | kEop | kRs | kIde);
  rig.kick();
  rig.clock.run_for(59 * 1024);
  CHECK_FALSE(rig.irq.level);
  rig.clock.run_for(2 * 1024);
  CHECK(rig.irq.level);
}

TEST_CASE("e1000 transmit: the old kind of descriptor puts a checksum where it says") {
  E1000Rig rig;
  rig.start_transmitter();
  const Bytes frame = test::make_tcp_frame(101);
  Bytes prepared = frame;
  prepare_for_offload(prepared, 121);
  prepared[24] = frame[24];
  prepared[25] = frame[25];
  rig.queue(rig.put_data(prepared), prepared.size() | kEop | kIc | u64{50} << 16 | u64{34} << 40);
  rig.kick();
  REQUIRE(rig.link.frames.size() == 1);
  CHECK(rig.link.frames[0] == frame);
}

TEST_CASE("e1000 transmit: a context has checksums of IP and TCP put in") {
  E1000Rig rig;
  rig.start_transmitter();
  const Bytes frame = test::make_tcp_frame(100);
  Bytes prepared = frame;
  prepare_for_offload(prepared, 120);
  rig.queue(context_low(), kDext | kContextTcp | kContextIp);
  rig.queue(rig.put_data(prepared), prepared.size() | kData | kDext | kEop | kIxsm | kTxsm);
  rig.kick();
  REQUIRE(rig.link.frames.size() == 1);
  CHECK(rig.link.frames[0] == frame);
}

TEST_CASE("e1000 transmit: a long TCP packet leaves as segments that fit together again") {
  E1000Rig rig;
  rig.start_transmitter();
  constexpr size_t kBytes = 10'000;
  constexpr u64 kMss = 1460;
  Bytes prepared = test::make_tcp_frame(kBytes);
  prepare_for_offload(prepared, 0);
  const Bytes headers(prepared.begin(), prepared.begin() + 54);
  const Bytes data(prepared.begin() + 54, prepared.end());
  const u64 wishes = kData | kDext | kTse | kRs | kIxsm | kTxsm;
  rig.queue(context_low(), kBytes | kDext | kTse | kContextTcp | kContextIp | u64{54} << 40 | kMss << 48);
  rig.queue(rig.put_data(headers), headers.size() | wishes);
  rig.queue(rig.put_data({data.begin(), data.begin() + 4096}), 4096 | wishes);
  rig.queue(rig.put_data({data.begin() + 4096, data.end()}), (kBytes - 4096) | wishes | kEop);
  rig.kick();
  REQUIRE(rig.link.frames.size() == 7);
  Bytes together;
  for (size_t i = 0; i < rig.link.frames.size(); ++i) {
    const Bytes& frame = rig.link.frames[i];
    CAPTURE(i);
    CHECK(is_sound(frame));
    CHECK(load_be16(frame.data() + 14 + 2) == frame.size() - 14);
    CHECK(load_be16(frame.data() + 14 + 4) == 0x1234 + i);
    CHECK(load_be32(frame.data() + 34 + 4) == 0x0100'0000 + i * kMss);
    CHECK(frame[34 + 13] == (i + 1 < rig.link.frames.size() ? 0x10 : 0x19));
    together.insert(together.end(), frame.begin() + 54, frame.end());
  }
  CHECK(together == data);
  CHECK(rig.get(kStatistics + 0xf8) == 1);  // TSCTC
}

TEST_CASE("e1000 transmit: data that is a whole number of segments leaves no empty one") {
  E1000Rig rig;
  rig.start_transmitter();
  Bytes prepared = test::make_tcp_frame(2000);
  prepare_for_offload(prepared, 0);
  rig.queue(context_low(), 2000 | kDext | kTse | kContextTcp | kContextIp | u64{54} << 40 | u64{1000} << 48);
  rig.queue(rig.put_data(prepared), prepared.size() | kData | kDext | kTse | kEop | kIxsm | kTxsm);
  rig.kick();
  REQUIRE(rig.link.frames.size() == 2);
  CHECK(rig.link.frames[0].size() == 1054);
  CHECK(rig.link.frames[1].size() == 1054);
  CHECK(rig.link.frames[1][34 + 13] == 0x19);
}

TEST_CASE("e1000 transmit: CTRL.VME and VLE put a tag behind the addresses") {
  E1000Rig rig;
  rig.start_transmitter();
  rig.set(kVet, 0x8100);
  rig.set(kCtrl, rig.get(kCtrl) | ctrl::VME);
  const Bytes frame = test::make_frame(test::kCardMac, 60);
  rig.queue(rig.put_data(frame), 60 | kEop | kVle | u64{0x0123} << 48);
  rig.kick();
  REQUIRE(rig.link.frames.size() == 1);
  Bytes tagged = frame;
  const u8 tag[] = {0x81, 0x00, 0x01, 0x23};
  tagged.insert(tagged.begin() + 12, std::begin(tag), std::end(tag));
  CHECK(rig.link.frames[0] == tagged);
}

TEST_CASE("e1000 transmit: frames that no wire carries do not leave, and the ring goes on") {
  E1000Rig rig;
  rig.start_transmitter();
  const u64 at = E1000Rig::kTransmitData;
  rig.queue(at, 8 | kEop | kRs);        // Less than a header,
  rig.queue(at, 0xffff | kEop | kRs);   // too long,
  rig.queue(at, 0 | kEop | kRs);        // nothing.
  // Segments of a byte each, of more than a frame, and headers that are all there is.
  for (const u64 mss : {1, 0, 0xffff}) {
    rig.queue(context_low(), kDext | kTse | kContextTcp | kContextIp | u64{54} << 40 | mss << 48);
    rig.queue(at, 0xf'0000 | kData | kDext | kTse | kEop | kIxsm | kTxsm | kRs);
  }
  rig.kick();
  rig.clock.run_for(1'000'000'000);
  CHECK(rig.link.frames.empty());
  CHECK(rig.get(kTdh) == rig.tail);
}

TEST_CASE("e1000 transmit: a long queue takes the wire's time") {
  E1000Rig rig;
  rig.set(kTdbal, E1000Rig::kTransmitRing);
  rig.set(kTdlen, 2048 * 16);
  for (u64 i = 0; i < 2048; ++i) {
    rig.memory.write(PhysAddr(E1000Rig::kTransmitRing + 16 * i), Width::Qword, E1000Rig::kTransmitData);
    rig.memory.write(PhysAddr(E1000Rig::kTransmitRing + 16 * i + 8), Width::Qword, 1000 | kEop | kRs);
  }
  rig.set(kTctl, tctl::EN);
  rig.set(kTdt, 2047);
  const size_t at_once = rig.link.frames.size();
  CHECK(at_once > 0);
  CHECK(at_once < 1024);
  rig.clock.run_for(1'000'000'000);
  CHECK(rig.link.frames.size() == 2047);
}

TEST_CASE("e1000 transmit: a tail outside the ring gives nothing to the card") {
  E1000Rig rig;
  rig.start_transmitter();
  rig.set(kTdt, 0xffff);
  rig.clock.run_for(1'000'000);
  CHECK(rig.get(kTdh) == 0);
  rig.set(kTdlen, 0);
  rig.set(kTdt, 1);
  CHECK(rig.link.frames.empty());
}

TEST_CASE("e1000 transmit: counters count what left and start anew when read") {
  E1000Rig rig;
  rig.start_transmitter();
  rig.queue(rig.put_data(test::make_frame({0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 60)), 60 | kEop);
  rig.queue(rig.put_data(test::make_frame({0x01, 0, 0x5e, 0, 0, 1}, 600)), 600 | kEop);
  rig.kick();
  CHECK(rig.get(kStatistics + 0xd4) == 2);        // TPT
  CHECK(rig.get(kStatistics + 0xd8) == 1);        // PTC64
  CHECK(rig.get(kStatistics + 0xe8) == 1);        // PTC1023
  CHECK(rig.get(kStatistics + 0xf0) == 1);        // MPTC
  CHECK(rig.get(kStatistics + 0xf4) == 1);        // BPTC
  CHECK(rig.get(kStatistics + 0x90) == 668);      // GOTCL
  CHECK(rig.get(kStatistics + 0x94) == 0);        // GOTCH clears both
  CHECK(rig.get(kStatistics + 0x90) == 0);
  CHECK(rig.get(kStatistics + 0xd4) == 0);
}

}  // namespace
}  // namespace doppel::devices
