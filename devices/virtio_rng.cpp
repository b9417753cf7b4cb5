#include "devices/virtio_rng.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "cpu/base/random.h"

namespace doppel::devices {

namespace {

constexpr VirtioDevice::Kind kKind{.id = 4, .class_code = 0x00'ff00};
constexpr u16 kQueueSizes[] = {8};

/// A device may give less than was asked for.
constexpr u64 kMostBytes = 4096;

/// Another sequence than that of RDRAND, which starts from the same seed.
constexpr u64 kOwnSequence = 0x9e37'79b9'7f4a'7c15;

}  // namespace

VirtioRng::VirtioRng(u64 seed, mmu::PhysicalMemory& memory)
    : VirtioDevice(memory, kKind, kQueueSizes), sequence_(seed ^ kOwnSequence) {
  // Seeds that differ in one bit begin alike.
  for (unsigned i = 0; i < 8; ++i) next_random(sequence_);
}

void VirtioRng::queue_notified(unsigned index) {
  VirtioQueue& queue = *this->queue(index);
  while (const std::optional<u16> head = queue.pop()) {
    if (!queue.follow(*head, chain_)) return;
    VirtioCursor out(memory(), chain_.writable);
    const u64 wanted = std::min(chain_.writable_bytes, kMostBytes);
    for (u64 done = 0; done < wanted; done += sizeof(u64)) {
      const u64 number = next_random(sequence_);
      std::array<u8, sizeof number> bytes;
      std::memcpy(bytes.data(), &number, sizeof number);
      out.write(std::span(bytes).first(std::min<u64>(wanted - done, sizeof number)));
    }
    queue.push(*head, static_cast<u32>(wanted));
  }
  queue.ask_for_notification();
  publish(index);
}

}  // namespace doppel::devices
