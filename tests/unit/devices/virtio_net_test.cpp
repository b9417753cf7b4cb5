#include "devices/virtio_net.h"

#include <doctest/doctest.h>

#include "tests/support/virtio_rig.h"

namespace doppel::devices {
namespace {

using test::VirtioRig;

constexpr unsigned kReceive = 0;
constexpr unsigned kTransmit = 1;
constexpr u64 kBuffer = 0x8'0000;
constexpr u64 kMergeable = u64{1} << 15;
constexpr MacAddress kMac = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

struct Wire final : NetworkLink {
  std::vector<std::vector<u8>> frames;
  void transmit(std::span<const u8> frame) override { frames.emplace_back(frame.begin(), frame.end()); }
};

std::vector<u8> frame_of(size_t size) {
  std::vector<u8> frame(size);
  for (size_t i = 0; i < size; ++i) frame[i] = static_cast<u8>(i * 7);
  return frame;
}

struct System : VirtioRig {
  Wire wire;
  VirtioNet& card_on_wire;

  explicit System(bool cable = true)
      : card_on_wire(plug<VirtioNet>(kMac, cable ? static_cast<NetworkLink*>(&wire) : nullptr, memory)) {}
  void give_buffers(unsigned count, u32 size) {
    for (unsigned i = 0; i < count; ++i) offer(kReceive, {{kBuffer + 0x1000 * i, size, true}});
  }
};

TEST_CASE("virtio_net: the configuration tells the address and whether there is a cable") {
  System s;
  CHECK(s.card->read_config(0, 4) == 0x1041'1af4);
  CHECK(s.config(0, Width::Dword) == 0x1200'5452);
  CHECK(s.config(4, Width::Word) == 0x5634);
  CHECK(s.config(6, Width::Word) == 1);
  CHECK(System(false).config(6, Width::Word) == 0);
}

TEST_CASE("virtio_net: a frame goes to the wire without its header") {
  System s;
  s.start();
  s.put(kBuffer, std::string(12, '\0') + "a whole frame");
  s.offer(kTransmit, {{kBuffer, 12, false}, {kBuffer + 12, 5, false}, {kBuffer + 17, 8, false}});
  s.kick(kTransmit);
  REQUIRE(s.wire.frames.size() == 1);
  CHECK(std::string(s.wire.frames[0].begin(), s.wire.frames[0].end()) == "a whole frame");
  CHECK(s.used(kTransmit).size() == 1);
}

TEST_CASE("virtio_net: frames that are too long or only a header are given back and not sent") {
  System s;
  s.start();
  s.offer(kTransmit, {{kBuffer, 12, false}});
  s.offer(kTransmit, {{kBuffer, 12 + kMaxFrameBytes + 1, false}});
  s.offer(kTransmit, {{kBuffer, 12 + kMaxFrameBytes, false}});
  s.kick(kTransmit);
  CHECK(s.wire.frames.size() == 1);
  CHECK(s.used(kTransmit).size() == 3);
}

TEST_CASE("virtio_net: a frame from the wire fills one buffer, with its header") {
  System s;
  s.start();
  CHECK_FALSE(s.card_on_wire.can_receive());
  s.give_buffers(1, 2048);
  CHECK(s.card_on_wire.can_receive());
  const std::vector<u8> frame = frame_of(1000);
  s.card_on_wire.receive(frame);
  CHECK(s.used(kReceive) == std::vector<VirtioRig::Used>{{0, 1012}});
  CHECK(s.memory.read<u16>(PhysAddr(kBuffer + 10)) == 1);
  CHECK(s.byte_at(kBuffer + 12 + 999) == frame[999]);
  CHECK(s.take_isr() == 1);
  CHECK_FALSE(s.card_on_wire.can_receive());
  s.card_on_wire.receive(frame);  // Lost.
  CHECK(s.used(kReceive).empty());
}

TEST_CASE("virtio_net: with mergeable buffers a frame is spread over as many as it takes") {
  System s;
  s.start(kMergeable);
  s.give_buffers(2, 600);
  CHECK_FALSE(s.card_on_wire.can_receive());  // Not a frame of any size.
  const std::vector<u8> frame = frame_of(1100);
  s.card_on_wire.receive(frame);
  CHECK(s.used(kReceive) == std::vector<VirtioRig::Used>{{0, 600}, {1, 512}});
  CHECK(s.memory.read<u16>(PhysAddr(kBuffer + 10)) == 2);
  CHECK(s.byte_at(kBuffer + 0x1000) == frame[588]);
  s.give_buffers(3, 600);
  CHECK(s.card_on_wire.can_receive());
}

TEST_CASE("virtio_net: without mergeable buffers a small one takes no large frame") {
  System s;
  s.start();
  s.give_buffers(2, 600);
  s.card_on_wire.receive(frame_of(1100));
  CHECK(s.used(kReceive).empty());
  s.card_on_wire.receive(frame_of(588));
  CHECK(s.used(kReceive).size() == 1);
}

TEST_CASE("virtio_net: nothing is received before the driver is ready, nor of a length that is none") {
  System s;
  s.card_on_wire.receive(frame_of(60));
  s.start();
  s.give_buffers(4, 4096);
  s.card_on_wire.receive(frame_of(kMaxFrameBytes + 1));
  CHECK(s.used(kReceive).empty());
  s.announce(kReceive, 99);
  for (unsigned i = 0; i < 4; ++i) s.card_on_wire.receive(frame_of(60));
  CHECK(s.used(kReceive).size() == 4);
  CHECK_FALSE(s.card_on_wire.can_receive());  // A head that is none.
}

}  // namespace
}  // namespace doppel::devices
