#include "devices/virtio_pci.h"

#include <doctest/doctest.h>

#include "tests/support/virtio_rig.h"

namespace doppel::devices {
namespace {

using test::VirtioRig;

/// Gives back what it was given, and remembers whether it was told.
class Echo final : public VirtioDevice {
 public:
  static constexpr u64 kFeature = 1u << 3;
  explicit Echo(mmu::PhysicalMemory& memory)
      : VirtioDevice(memory, {.id = 42, .class_code = 0xff'0000}, std::array<u16, 2>{16, 16}) {}

  unsigned notifications = 0;
  unsigned resets = 0;
  u8 config = 0x5a;

  u8 read_config(unsigned offset) const override { return offset == 3 ? config : u8{0}; }
  void write_config(unsigned offset, u8 value) override {
    if (offset == 3) config = value;
  }

 private:
  u64 device_features() const override { return kFeature; }
  void queue_notified(unsigned index) override {
    ++notifications;
    VirtioQueue& queue = *this->queue(index);
    VirtioChain chain;
    while (const auto head = queue.pop()) {
      if (!queue.follow(*head, chain)) return;
      std::vector<u8> bytes(std::min<u64>(chain.readable_bytes, chain.writable_bytes));
      VirtioCursor(memory(), chain.readable).read(bytes);
      VirtioCursor(memory(), chain.writable).write(bytes);
      queue.push(*head, static_cast<u32>(bytes.size()));
    }
    queue.ask_for_notification();
    publish(index);
  }
  void reset_device() override { ++resets; }
  void serialize_device(Archive& archive) override { archive(config); }
};

struct System : VirtioRig {
  Echo& echo = plug<Echo>(memory);

  /// One request on a queue: the answer.
  std::string ask(const std::string& text, unsigned queue = 0) {
    put(0x8'0000, text);
    memory.write(PhysAddr(0x9'0000), Width::Qword, 0);
    offer(queue, {{0x8'0000, static_cast<u32>(text.size()), false}, {0x9'0000, 64, true}});
    kick(queue);
    return this->text(0x9'0000, text.size());
  }
};

TEST_CASE("virtio_pci: identity and capabilities lead a driver to the registers") {
  System s;
  CHECK(s.card->read_config(0, 4) == 0x106a'1af4);
  CHECK(s.card->read_config(8, 1) == 1);
  unsigned types = 0;
  bool has_msix = false;
  for (unsigned at = s.card->read_config(0x34); at != 0; at = s.card->read_config(at + 1)) {
    if (s.card->read_config(at) == 0x09) {
      types |= 1u << s.card->read_config(at + 3);
      CHECK((s.card->read_config(at + 4) == 4 || s.card->read_config(at + 3) == 5));
    }
    if (s.card->read_config(at) == 0x11) {
      has_msix = true;
      CHECK(s.card->read_config(at + 2, 2) == 2);  // Two queues and the configuration: three vectors.
    }
  }
  CHECK(types == 0b111110);
  CHECK(has_msix);
  CHECK(s.get(VirtioRig::kNumQueues, Width::Word) == 2);
}

TEST_CASE("virtio_pci: a request comes back after a notification, with INTA and the ISR") {
  System s;
  s.start();
  CHECK(s.ask("hello") == "hello");
  CHECK(s.used(0) == std::vector<VirtioRig::Used>{{0, 5}});
  CHECK(s.inta.level);
  CHECK((s.card->read_config(0x06) & 8) != 0);
  CHECK(s.take_isr() == 1);
  CHECK_FALSE(s.inta.level);
  CHECK(s.take_isr() == 0);
}

TEST_CASE("virtio_pci: FEATURES_OK stays clear for features that were not offered, or without version 1") {
  System s;
  CHECK(s.offered_features() == (VirtioRig::kVersion1 | u64{3} << 28 | Echo::kFeature));
  s.set_status(3);
  s.take_features(VirtioRig::kVersion1 | 1);
  s.set_status(11);
  CHECK(s.status() == 3);
  s.take_features(Echo::kFeature);
  s.set_status(11);
  CHECK(s.status() == 3);
  s.take_features(VirtioRig::kVersion1 | Echo::kFeature);
  s.set_status(11);
  CHECK(s.status() == 11);
  s.take_features(0);  // Too late.
  s.set(VirtioRig::kDriverFeatureSelect, 0);
  CHECK(s.get(VirtioRig::kDriverFeature) == Echo::kFeature);
}

TEST_CASE("virtio_pci: a queue's size and addresses are the driver's until it is enabled") {
  System s;
  s.set(VirtioRig::kQueueSelect, 1, Width::Word);
  CHECK(s.get(VirtioRig::kQueueSize, Width::Word) == 16);
  s.set(VirtioRig::kQueueSize, 32, Width::Word);
  CHECK(s.get(VirtioRig::kQueueSize, Width::Word) == 16);
  s.set(VirtioRig::kQueueSize, 12, Width::Word);
  CHECK(s.get(VirtioRig::kQueueSize, Width::Word) == 16);
  s.set(VirtioRig::kQueueSize, 8, Width::Word);
  s.set(VirtioRig::kQueueDescriptors, 0x1'2345'6780, Width::Qword);
  CHECK(s.get(VirtioRig::kQueueDescriptors, Width::Qword) == 0x1'2345'6780);
  s.set(VirtioRig::kQueueEnable, 1, Width::Word);
  CHECK(s.get(VirtioRig::kQueueEnable, Width::Word) == 1);
  s.set(VirtioRig::kQueueSize, 4, Width::Word);
  s.set(VirtioRig::kQueueDescriptors, 0);
  CHECK(s.get(VirtioRig::kQueueSize, Width::Word) == 8);
  CHECK(s.get(VirtioRig::kQueueDescriptors, Width::Qword) == 0x1'2345'6780);
  s.set(VirtioRig::kQueueSelect, 2, Width::Word);
  CHECK(s.get(VirtioRig::kQueueSize, Width::Word) == 0);
  s.set_status(0);
  s.set(VirtioRig::kQueueSelect, 1, Width::Word);
  CHECK(s.get(VirtioRig::kQueueEnable, Width::Word) == 0);
  CHECK(s.get(VirtioRig::kQueueSize, Width::Word) == 16);
}

TEST_CASE("virtio_pci: nothing moves before DRIVER_OK or without the bus; then it catches up") {
  System s;
  s.start();
  s.set_status(0);
  const unsigned before = s.echo.notifications;
  s.kick(0);
  CHECK(s.echo.notifications == before);
  s.start();
  s.card->write_config(0x04, 2, 0x0002);
  s.offer(0, {{0x8'0000, 4, false}});
  s.kick(0);
  CHECK(s.used(0).empty());
  s.card->write_config(0x04, 2, 0x0006);
  CHECK(s.used(0).size() == 1);
}

TEST_CASE("virtio_pci: each queue has its MSI-X vector, and INTA is silent") {
  System s;
  s.enable_msix();
  s.start();
  s.ask("a", 0);
  s.ask("b", 1);
  CHECK(s.messages.sent == std::vector<std::pair<u64, u32>>{{0xfee0'0000, 0x40}, {0xfee0'0000, 0x41}});
  CHECK(s.inta.rises == 0);
  CHECK(s.take_isr() == 0);
}

TEST_CASE("virtio_pci: a masked vector is pending and is sent when the mask goes") {
  System s;
  s.enable_msix();
  s.start();
  s.mmio.write(VirtioRig::kMsixWindow + 12, Width::Dword, 1);
  s.ask("a");
  s.ask("b");
  CHECK(s.messages.sent.empty());
  CHECK(s.mmio.read(VirtioRig::kMsixWindow + 0x800, Width::Qword) == 1);
  s.mmio.write(VirtioRig::kMsixWindow + 12, Width::Dword, 0);
  CHECK(s.messages.sent.size() == 1);
  CHECK(s.mmio.read(VirtioRig::kMsixWindow + 0x800, Width::Qword) == 0);
  s.card->write_config(0x9a, 2, 0xc000);  // The whole function.
  s.ask("c");
  CHECK(s.messages.sent.size() == 1);
  s.card->write_config(0x9a, 2, 0x8000);
  CHECK(s.messages.sent.size() == 2);
}

TEST_CASE("virtio_pci: a vector that is not there reads back as none") {
  System s;
  s.set(VirtioRig::kConfigVector, 2, Width::Word);
  CHECK(s.get(VirtioRig::kConfigVector, Width::Word) == 2);
  s.set(VirtioRig::kConfigVector, 3, Width::Word);
  CHECK(s.get(VirtioRig::kConfigVector, Width::Word) == VirtioRig::kNoVector);
}

TEST_CASE("virtio_pci: the driver's flag and the event index hold interrupts back") {
  System s;
  s.start();
  s.memory.write(PhysAddr(VirtioRig::driver_ring(0)), Width::Word, 1);
  s.ask("a");
  CHECK(s.take_isr() == 0);
  s.start(u64{1} << 29);
  const PhysAddr used_event(VirtioRig::driver_ring(0) + 4 + 2 * 16);
  s.memory.write(used_event, Width::Word, 1);  // After the second.
  s.ask("a");
  CHECK(s.take_isr() == 0);
  CHECK(s.memory.read<u16>(PhysAddr(VirtioRig::device_ring(0) + 4 + 8 * 16)) == 1);
  s.ask("b");
  CHECK(s.take_isr() == 1);
  s.ask("c");
  CHECK(s.take_isr() == 0);
}

TEST_CASE("virtio_pci: registers are reached through the configuration space too") {
  System s;
  const auto at = [&](u32 offset, u32 size) {
    s.card->write_config(0x88, 1, 4);
    s.card->write_config(0x8c, 4, offset);
    s.card->write_config(0x90, 4, size);
  };
  at(0x2003, 1);
  CHECK(s.card->read_config(0x94, 1) == 0x5a);
  s.card->write_config(0x94, 1, 0x77);
  CHECK(s.echo.config == 0x77);
  at(VirtioRig::kNumQueues, 2);
  CHECK(s.card->read_config(0x94, 4) % 0x1'0000 == 2);
  at(0x8000, 4);  // Beyond the BAR.
  s.card->write_config(0x94, 4, 1);
  at(0x2003, 3);  // No such width.
  s.card->write_config(0x94, 4, 1);
  CHECK(s.echo.config == 0x77);
}

TEST_CASE("virtio_pci: a reset by the driver forgets queues, features and vectors") {
  System s;
  s.enable_msix();
  s.start(Echo::kFeature);
  const unsigned before = s.echo.resets;
  s.set_status(0);
  CHECK(s.echo.resets == before + 1);
  CHECK(s.status() == 0);
  s.set(VirtioRig::kQueueSelect, 0, Width::Word);
  CHECK(s.get(VirtioRig::kQueueVector, Width::Word) == VirtioRig::kNoVector);
  s.set(VirtioRig::kDriverFeatureSelect, 0);
  CHECK(s.get(VirtioRig::kDriverFeature) == 0);
}

TEST_CASE("virtio_pci: a saved card goes on as it was") {
  System s;
  s.enable_msix();
  s.start(u64{1} << 29);
  s.ask("before");
  System other;
  other.rings = s.rings;
  REQUIRE(test::load(*other.card, test::saved(*s.card)));
  CHECK(test::saved(*other.card) == test::saved(*s.card));
  // Its memory is copied too.
  for (u64 at = 0; at < 0x4000; at += 8)
    other.memory.write(PhysAddr(VirtioRig::kQueues + at), Width::Qword, s.memory.read<u64>(PhysAddr(VirtioRig::kQueues + at)));
  CHECK(other.ask("after") == "after");
  CHECK(other.messages.sent.size() <= 1);
  CHECK_FALSE(test::load(*other.card, std::vector<u8>(test::saved(*s.card).size(), 0x55)));
}

}  // namespace
}  // namespace doppel::devices
