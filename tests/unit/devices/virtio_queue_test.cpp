// What a hostile driver may put into a queue: each of these ends in DEVICE_NEEDS_RESET and a
// configuration interrupt, and a reset makes the device work again.

#include "devices/virtio_queue.h"

#include <doctest/doctest.h>

#include "devices/virtio_rng.h"
#include "tests/support/virtio_rig.h"

namespace doppel::devices {
namespace {

using test::VirtioRig;

constexpr u64 kIndirect = u64{1} << 28;
constexpr u64 kBuffer = 0x8'0000;
constexpr u64 kTable = 0x9'0000;
// A descriptor's flags.
constexpr u16 kNext = 1;
constexpr u16 kWrite = 2;
constexpr u16 kTableFlag = 4;

struct System : VirtioRig {
  VirtioRng& rng = plug<VirtioRng>(u64{7}, memory);

  System() {
    set(kConfigVector, kNoVector, Width::Word);
    start(kIndirect, 8);
  }
  /// Notifies of this head: whether the device gave up.
  bool breaks_with(u16 head) {
    announce(0, head);
    kick(0);
    return gave_up();
  }
  bool gave_up() {
    const bool needs_reset = (status() & 0x40) != 0;
    CHECK(used(0).empty() == needs_reset);
    CHECK((take_isr() == 2) == needs_reset);
    return needs_reset;
  }
};

TEST_CASE("virtio_queue: pieces of a chain and of a table are filled in order") {
  System s;
  s.offer(0, {{kBuffer, 3, true}, {kBuffer + 0x1ffe, 4, true}, {kBuffer + 0x100, 1, true}});
  s.kick(0);
  CHECK(s.used(0) == std::vector<VirtioRig::Used>{{0, 8}});
  const std::string chained = s.text(kBuffer, 3) + s.text(kBuffer + 0x1ffe, 4) + s.text(kBuffer + 0x100, 1);
  CHECK(s.byte_at(kBuffer + 3) == 0);

  System t;
  t.put_descriptor(kTable, kBuffer, 5, kWrite | kNext, 2);
  t.put_descriptor(kTable + 32, kBuffer + 0x200, 3, kWrite, 0);
  t.describe(0, 4, kTable, 48, kTableFlag, 0);
  CHECK_FALSE(t.breaks_with(4));
  CHECK(t.text(kBuffer, 5) + t.text(kBuffer + 0x200, 3) == chained);
}

TEST_CASE("virtio_queue: a head or a next descriptor beyond the queue breaks it") {
  System s;
  CHECK(s.breaks_with(8));
  s.start(kIndirect, 8);
  s.describe(0, 1, kBuffer, 4, kWrite | kNext, 8);
  CHECK(s.breaks_with(1));
  s.start(kIndirect, 8);
  s.describe(0, 1, kBuffer, 4, kWrite, 0);
  CHECK_FALSE(s.breaks_with(1));
}

TEST_CASE("virtio_queue: chains and tables that go in circles break it") {
  System s;
  s.describe(0, 0, kBuffer, 4, kWrite | kNext, 1);
  s.describe(0, 1, kBuffer, 4, kWrite | kNext, 0);
  CHECK(s.breaks_with(0));
  s.start(kIndirect, 8);
  s.put_descriptor(kTable, kBuffer, 4, kWrite | kNext, 0);
  s.describe(0, 0, kTable, 16, kTableFlag, 0);
  CHECK(s.breaks_with(0));
}

TEST_CASE("virtio_queue: a table that is none breaks it") {
  const auto breaks = [](u64 address, u32 size, u16 flags, u64 features) {
    System s;
    s.start(features, 8);
    s.put_descriptor(kTable, kBuffer, 4, kWrite, 0);
    s.describe(0, 0, address, size, flags, 1);
    s.describe(0, 1, kBuffer, 4, kWrite, 0);
    return s.breaks_with(0);
  };
  CHECK_FALSE(breaks(kTable, 16, kTableFlag, kIndirect));
  CHECK(breaks(kTable, 16, kTableFlag, 0));  // Not agreed on.
  CHECK(breaks(kTable, 0, kTableFlag, kIndirect));
  CHECK(breaks(kTable, 24, kTableFlag, kIndirect));
  CHECK(breaks(kTable, 16, kTableFlag | kNext, kIndirect));
  CHECK(breaks(~u64{0} - 7, 16, kTableFlag, kIndirect));

  System s;
  s.put_descriptor(kTable, kTable, 16, kTableFlag, 0);  // A table in a table.
  s.describe(0, 0, kTable, 16, kTableFlag, 0);
  CHECK(s.breaks_with(0));
  s.start(kIndirect, 8);
  s.put_descriptor(kTable, kBuffer, 4, kWrite | kNext, 1);  // Beyond its end.
  s.describe(0, 0, kTable, 16, kTableFlag, 0);
  CHECK(s.breaks_with(0));
}

TEST_CASE("virtio_queue: what the device reads must come before what it writes") {
  System s;
  s.offer(0, {{kBuffer, 4, true}, {kBuffer, 4, false}});
  s.kick(0);
  CHECK(s.gave_up());
}

TEST_CASE("virtio_queue: pieces that leave the address space, or are too much together, break it") {
  System s;
  s.describe(0, 0, ~u64{0} - 2, 4, kWrite, 0);
  CHECK(s.breaks_with(0));
  s.start(kIndirect, 8);
  s.describe(0, 0, 0, 0xffff'ffff, kWrite, 0);
  CHECK(s.breaks_with(0));
}

TEST_CASE("virtio_queue: more announced than the queue holds breaks it") {
  System s;
  s.memory.write(PhysAddr(VirtioRig::driver_ring(0) + 2), Width::Word, 9);
  s.kick(0);
  CHECK(s.gave_up());
}

TEST_CASE("virtio_queue: addresses that are not aligned break it when it is enabled") {
  System s;
  s.set_status(0);
  s.set_status(3);
  s.take_features(VirtioRig::kVersion1);
  s.set_status(11);
  s.set(VirtioRig::kQueueDescriptors, 0x1008);
  s.set(VirtioRig::kQueueEnable, 1, Width::Word);
  CHECK((s.status() & 0x40) != 0);
  CHECK(s.get(VirtioRig::kQueueEnable, Width::Word) == 0);
}

TEST_CASE("virtio_queue: rings where nothing is read as nothing, and registers are not reached") {
  System s;
  s.set_status(0);
  s.set_status(3);
  s.take_features(VirtioRig::kVersion1);
  s.set_status(11);
  s.set(VirtioRig::kQueueSize, 8, Width::Word);
  s.set(VirtioRig::kQueueDescriptors, VirtioRig::kRegisters, Width::Qword);
  s.set(VirtioRig::kQueueDriverRing, VirtioRig::kRegisters, Width::Qword);
  s.set(VirtioRig::kQueueDeviceRing, VirtioRig::kRegisters, Width::Qword);
  s.set(VirtioRig::kQueueEnable, 1, Width::Word);
  s.set_status(15);
  s.kick(0);
  CHECK((s.status() & 0x40) != 0);  // An index of all ones.
}

TEST_CASE("virtio_queue: a saved queue with a size it cannot have is refused") {
  System s;
  VirtioQueue queue(s.memory, 8);
  std::vector<u8> bytes = test::saved(queue);
  CHECK(test::load(queue, bytes));
  bytes[0] = 7;
  CHECK_FALSE(test::load(queue, bytes));
  bytes[0] = 16;
  CHECK_FALSE(test::load(queue, bytes));
}

}  // namespace
}  // namespace doppel::devices
