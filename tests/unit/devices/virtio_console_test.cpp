#include "devices/virtio_console.h"

#include <doctest/doctest.h>

#include "tests/support/virtio_rig.h"

namespace doppel::devices {
namespace {

using test::VirtioRig;

constexpr unsigned kReceive = 0;
constexpr unsigned kTransmit = 1;
constexpr u64 kBuffer = 0x8'0000;

struct System : VirtioRig {
  test::TextSink sink;
  VirtioConsole& console = plug<VirtioConsole>(std::string("console.input"), static_cast<ByteSink*>(&sink), memory,
                                               clock.scheduler);

  /// A driver that has listened for a while.
  void listen(u32 buffer_bytes) {
    start();
    for (unsigned i = 0; i < 2; ++i) offer(kReceive, {{kBuffer + 0x1000 * i, buffer_bytes, true}});
    kick(kReceive);
    clock.run_for(100'000'000);
  }
  void type(const std::string& text) {
    for (const char letter : text) console.receiver().receive(static_cast<u8>(letter));
  }
};

TEST_CASE("virtio_console: what the guest writes comes out, piece by piece") {
  System s;
  s.start();
  s.put(kBuffer, "hello world");
  s.offer(kTransmit, {{kBuffer, 5, false}, {kBuffer + 5, 6, false}});
  s.kick(kTransmit);
  CHECK(s.sink.text == "hello world");
  CHECK(s.used(kTransmit) == std::vector<VirtioRig::Used>{{0, 0}});
}

TEST_CASE("virtio_console: there is no room before the driver listens") {
  System s;
  CHECK(s.console.receiver().room() == 0);
  s.start();
  CHECK(s.console.receiver().room() == 0);
  s.offer(kReceive, {{kBuffer, 16, true}});
  s.kick(kReceive);
  CHECK(s.console.receiver().room() == 0);
  s.clock.run_for(100'000'000);
  CHECK(s.console.receiver().room() == 256);
  s.set_status(0);
  CHECK(s.console.receiver().room() == 0);
}

TEST_CASE("virtio_console: a line arrives as one request with one interrupt") {
  System s;
  s.listen(64);
  s.type("typed\n");
  CHECK(s.used(kReceive).empty());
  CHECK(s.console.receiver().room() == 250);
  s.clock.run_for(10'000);
  CHECK(s.used(kReceive) == std::vector<VirtioRig::Used>{{0, 6}});
  CHECK(s.text(kBuffer, 6) == "typed\n");
  CHECK(s.take_isr() == 1);
}

TEST_CASE("virtio_console: what does not fit waits for the driver's next buffer") {
  System s;
  s.listen(4);
  s.type("0123456789");
  s.clock.run_for(10'000);
  CHECK(s.used(kReceive) == std::vector<VirtioRig::Used>{{0, 4}, {1, 4}});
  CHECK(s.console.receiver().room() == 254);
  s.offer(kReceive, {{kBuffer + 0x2000, 4, true}});
  s.kick(kReceive);
  CHECK(s.text(kBuffer + 0x2000, 2) == "89");
  CHECK(s.console.receiver().room() == 256);
}

TEST_CASE("virtio_console: a write of hundreds of kilobytes breaks the queue") {
  System s;
  s.start();
  s.offer(kTransmit, {{0, 0x10'0000, false}});
  s.kick(kTransmit);
  CHECK((s.status() & 0x40) != 0);
  CHECK(s.sink.text.empty());
}

TEST_CASE("virtio_console: what waits is saved") {
  System s;
  s.listen(4);
  s.type("0123456789");
  s.clock.run_for(10'000);
  System other;
  REQUIRE(test::load(*other.card, test::saved(*s.card)));
  CHECK(test::saved(*other.card) == test::saved(*s.card));
}

}  // namespace
}  // namespace doppel::devices
