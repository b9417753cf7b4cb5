#include "devices/virtio_rng.h"

#include <doctest/doctest.h>

#include "tests/support/virtio_rig.h"

namespace doppel::devices {
namespace {

using test::VirtioRig;

constexpr u64 kBuffer = 0x8'0000;

struct System : VirtioRig {
  explicit System(u64 seed) {
    plug<VirtioRng>(seed, memory);
    start();
  }
  std::string ask(u32 size) {
    offer(0, {{kBuffer, size, true}});
    kick(0);
    const std::vector<Used> back = used(0);
    REQUIRE(back.size() == 1);
    return text(kBuffer, back[0].written);
  }
};

TEST_CASE("virtio_rng: the same seed gives the same bytes, another one others") {
  System a(1), b(1), c(2);
  const std::string bytes = a.ask(64);
  CHECK(bytes.size() == 64);
  CHECK(b.ask(64) == bytes);
  CHECK(c.ask(64) != bytes);
  CHECK(a.ask(64) != bytes);
  CHECK(a.take_isr() == 1);
}

TEST_CASE("virtio_rng: odd sizes are filled to the last byte and not beyond, large ones in part") {
  System s(3);
  s.put(kBuffer, std::string(16, '\0'));
  CHECK(s.ask(13).size() == 13);
  CHECK(s.text(kBuffer + 13, 3) == std::string(3, '\0'));
  CHECK(s.ask(100'000).size() == 4096);
}

TEST_CASE("virtio_rng: the sequence goes on after a reset and in a loaded machine") {
  System s(4);
  const std::string first = s.ask(32);
  s.start();
  CHECK(s.ask(32) != first);
  System other(5);
  REQUIRE(test::load(*other.card, test::saved(*s.card)));
  s.start();
  other.start();
  CHECK(other.ask(32) == s.ask(32));
}

}  // namespace
}  // namespace doppel::devices
