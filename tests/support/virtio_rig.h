#pragma once

// A virtio device on PCI, as its driver sees it: registers behind BARs, queues in memory.

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "devices/virtio_pci.h"
#include "mmu/io_map.h"
#include "mmu/machine_memory.h"
#include "mmu/physical_memory.h"
#include "mmu/pmap.h"
#include "tests/support/device_rig.h"

namespace doppel::test {

struct MessageLog final : devices::MessageInterrupts {
  std::vector<std::pair<u64, u32>> sent;
  void message(u64 address, u32 data) override { sent.emplace_back(address, data); }
};

inline mmu::MachineMemory make_virtio_pool(u64 size_bytes) {
  auto pool = mmu::MachineMemory::create(size_bytes);
  REQUIRE(pool.ok());
  return std::move(*pool);
}

/// A driver's habits. `plug` comes first, then `start`.
struct VirtioRig {
  static constexpr u64 kRam = u64{4} << 20;
  static constexpr u64 kRegisters = 0xfe00'0000;
  static constexpr u64 kMsixWindow = 0xfe01'0000;
  static constexpr u16 kNoVector = 0xffff;

  // Where the test's driver keeps its queues, 16 KiB each.
  static constexpr u64 kQueues = 0x1'0000;
  static u64 descriptors(unsigned queue) { return kQueues + 0x4000 * queue; }
  static u64 driver_ring(unsigned queue) { return descriptors(queue) + 0x1000; }
  static u64 device_ring(unsigned queue) { return descriptors(queue) + 0x2000; }

  // Registers of the common configuration.
  enum Common : u64 {
    kDeviceFeatureSelect = 0x00,
    kDeviceFeature = 0x04,
    kDriverFeatureSelect = 0x08,
    kDriverFeature = 0x0c,
    kConfigVector = 0x10,
    kNumQueues = 0x12,
    kStatus = 0x14,
    kQueueSelect = 0x16,
    kQueueSize = 0x18,
    kQueueVector = 0x1a,
    kQueueEnable = 0x1c,
    kQueueNotifyOff = 0x1e,
    kQueueDescriptors = 0x20,
    kQueueDriverRing = 0x28,
    kQueueDeviceRing = 0x30,
  };

  Clock clock;
  Wire inta;
  MessageLog messages;
  mmu::MachineMemory pool = make_virtio_pool(2 * kRam);
  mmu::Pmap pmap{pool, 2 * kRam / kPageSize};
  mmu::IoMap mmio;
  mmu::PhysicalMemory memory{pmap, mmio};
  std::unique_ptr<devices::VirtioPci> card;
  struct Ring {
    u16 size = 0;
    u16 next_descriptor = 0;
    u16 offered = 0;
    u16 seen = 0;
  };
  std::vector<Ring> rings;

  VirtioRig() { pmap.add_ram(PhysAddr(0), kRam); }

  template <class Device, class... Arguments>
  Device& plug(Arguments&&... arguments) {
    auto device = std::make_unique<Device>(std::forward<Arguments>(arguments)...);
    Device& result = *device;
    card = std::make_unique<devices::VirtioPci>(
        "card", std::move(device), devices::VirtioPci::Bus{.mmio = mmio, .inta = inta, .messages = messages});
    card->reset();
    card->write_config(0x14, 4, kMsixWindow);
    card->write_config(0x20, 4, kRegisters);
    card->write_config(0x04, 2, 0x0006);  // Memory, bus master.
    return result;
  }

  // --- Registers ---

  u64 get(u64 offset, Width width = Width::Dword) { return mmio.read(kRegisters + offset, width); }
  void set(u64 offset, u64 value, Width width = Width::Dword) { mmio.write(kRegisters + offset, width, value); }
  u64 config(u64 offset, Width width) { return get(devices::VirtioPci::kDevice + offset, width); }
  u8 status() { return static_cast<u8>(get(kStatus, Width::Byte)); }
  void set_status(unsigned value) { set(kStatus, value, Width::Byte); }
  u8 take_isr() { return static_cast<u8>(get(devices::VirtioPci::kIsr, Width::Byte)); }

  u64 offered_features() {
    u64 features = 0;
    for (const unsigned half : {0u, 1u}) {
      set(kDeviceFeatureSelect, half);
      features |= get(kDeviceFeature) << (32 * half);
    }
    return features;
  }
  void take_features(u64 features) {
    for (const unsigned half : {0u, 1u}) {
      set(kDriverFeatureSelect, half);
      set(kDriverFeature, features >> (32 * half) & 0xffff'ffff);
    }
  }
  void give_queue(unsigned queue, u16 size, u16 vector) {
    set(kQueueSelect, queue, Width::Word);
    set(kQueueSize, size, Width::Word);
    set(kQueueVector, vector, Width::Word);
    set(kQueueDescriptors, descriptors(queue));
    set(kQueueDriverRing, driver_ring(queue));
    set(kQueueDeviceRing, device_ring(queue));
    set(kQueueEnable, 1, Width::Word);
  }

  // --- The whole dance ---

  static constexpr u64 kVersion1 = u64{1} << 32;
  /// Resets, agrees on `features` and version 1, gives all queues, and is ready.
  void start(u64 features = 0, u16 size = 16) {
    set_status(0);
    set_status(1);
    set_status(3);
    take_features(features | kVersion1);
    set_status(11);
    REQUIRE((status() & 8) != 0);
    const auto queues = static_cast<unsigned>(get(kNumQueues, Width::Word));
    rings.assign(queues, {});
    for (unsigned queue = 0; queue < queues; ++queue) {
      for (u64 at = 0; at < 0x4000; at += 8) memory.write(PhysAddr(descriptors(queue) + at), Width::Qword, 0);
      give_queue(queue, size, uses_msix ? static_cast<u16>(queue) : kNoVector);
      rings[queue].size = size;
    }
    set_status(15);
  }

  bool uses_msix = false;
  /// Vector n is data 0x40 + n; the configuration's is the last.
  void enable_msix() {
    uses_msix = true;
    const unsigned vectors = (card->read_config(0x9a) & 0x3f) + 1u;
    for (unsigned n = 0; n < vectors; ++n) {
      mmio.write(kMsixWindow + 16 * n, Width::Dword, 0xfee0'0000);
      mmio.write(kMsixWindow + 16 * n + 8, Width::Dword, 0x40 + n);
      mmio.write(kMsixWindow + 16 * n + 12, Width::Dword, 0);
    }
    card->write_config(0x9a, 2, 0x8000);
  }

  // --- Requests ---

  struct Piece {
    u64 address = 0;
    u32 size = 0;
    bool writable = false;
  };
  void put_descriptor(u64 at, u64 address, u32 size, u16 flags, u16 next) {
    memory.write(PhysAddr(at), Width::Qword, address);
    memory.write(PhysAddr(at + 8), Width::Dword, size);
    memory.write(PhysAddr(at + 12), Width::Word, flags);
    memory.write(PhysAddr(at + 14), Width::Word, next);
  }
  void describe(unsigned queue, u16 index, u64 address, u32 size, u16 flags, u16 next) {
    put_descriptor(descriptors(queue) + 16u * index, address, size, flags, next);
  }
  /// Makes a head available, whatever it leads to.
  void announce(unsigned queue, u16 head) {
    Ring& ring = rings[queue];
    memory.write(PhysAddr(driver_ring(queue) + 4 + 2u * (ring.offered % ring.size)), Width::Word, head);
    ++ring.offered;
    memory.write(PhysAddr(driver_ring(queue) + 2), Width::Word, ring.offered);
  }
  /// Describes and announces a chain; its head.
  u16 offer(unsigned queue, const std::vector<Piece>& pieces) {
    Ring& ring = rings[queue];
    const u16 head = static_cast<u16>(ring.next_descriptor % ring.size);
    for (size_t i = 0; i < pieces.size(); ++i) {
      const u16 index = static_cast<u16>(ring.next_descriptor++ % ring.size);
      const bool is_last = i + 1 == pieces.size();
      const unsigned flags = (is_last ? 0u : 1u) | (pieces[i].writable ? 2u : 0u);
      describe(queue, index, pieces[i].address, pieces[i].size, static_cast<u16>(flags),
               static_cast<u16>(ring.next_descriptor % ring.size));
    }
    announce(queue, head);
    return head;
  }
  void kick(unsigned queue) { set(devices::VirtioPci::kNotify + 4 * queue, queue, Width::Word); }

  struct Used {
    u32 head;
    u32 written;
    bool operator==(const Used&) const = default;
  };
  /// What came back since the last call.
  std::vector<Used> used(unsigned queue) {
    Ring& ring = rings[queue];
    std::vector<Used> result;
    const u16 end = memory.read<u16>(PhysAddr(device_ring(queue) + 2));
    for (; ring.seen != end; ++ring.seen) {
      const u64 at = device_ring(queue) + 4 + 8u * (ring.seen % ring.size);
      result.push_back({memory.read<u32>(PhysAddr(at)), memory.read<u32>(PhysAddr(at + 4))});
    }
    return result;
  }

  void put(u64 address, const std::string& text) {
    memory.write_bytes(PhysAddr(address), std::span(reinterpret_cast<const u8*>(text.data()), text.size()));
  }
  std::string text(u64 address, size_t size) {
    std::string result(size, 0);
    memory.read_bytes(PhysAddr(address), std::span(reinterpret_cast<u8*>(result.data()), size));
    return result;
  }
  u8 byte_at(u64 address) { return memory.read<u8>(PhysAddr(address)); }
};

}  // namespace doppel::test
