#pragma once

// Memory on a card that the guest reaches as fast as RAM, at an address that software may change.
//
// The frames come from the machine's pool and are contiguous on the host; the pmap shows them where
// the card's base address register says, or nowhere. Stores through that window can be watched a
// page at a time: a watched page is write-tracked, its first store tells the observer.

#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "cpu/base/result.h"
#include "mmu/physical_memory.h"

namespace doppel::mmu {

class DeviceMemory {
 public:
  /// `size_bytes` is rounded up to 2 MiB. One per machine can be watched. `memory` must outlive it.
  /// @errors no frames are left.
  static Result<std::unique_ptr<DeviceMemory>, Error> create(PhysicalMemory& memory, u64 size_bytes);
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  std::span<u8> bytes() { return {data_, size_}; }
  std::span<const u8> bytes() const { return {data_, size_}; }
  u64 size() const { return size_; }

  /// Moves the window; nothing: it is nowhere. False if something else is there (it is nowhere
  /// then). Every Mmu is flushed by PhysicalMemory::set_remap_hook.
  bool show_at(std::optional<PhysAddr> base);
  std::optional<PhysAddr> base() const { return base_; }

  /// Called with each store through the window to a watched page.
  void set_observer(std::function<void(u64 page)> observer);
  /// The next store to the page is told. Stays in force while the window moves.
  void watch(u64 page);
  void unwatch(u64 page);

  /// The contents; where the window is belongs to the card.
  void serialize(Archive& archive);

 private:
  DeviceMemory(PhysicalMemory& memory, FrameNumber first, u64 size_bytes);

  PhysicalMemory& memory_;
  FrameNumber first_;
  u8* data_ = nullptr;
  u64 size_ = 0;
  std::optional<PhysAddr> base_;
  std::vector<bool> watched_;
};

}  // namespace doppel::mmu
