#pragma once

// A split virtqueue, from the device's side.
//
//     descriptors     {address, length, flags, next} x size: pieces of memory, chained by index
//     driver's ring   flags, index, heads of chains x size, used event
//     device's ring   flags, index, {head, bytes written} x size, available event
//
// All three are guest memory, and everything in them is a guest's word: indices are checked before
// they index, a chain has an end because pieces and bytes are counted, and nothing is read or
// written but RAM. What no driver may do breaks the queue, which then gives nothing until it is
// reset.

#include <array>
#include <optional>

#include "cpu/base/archive.h"
#include "devices/virtio_chain.h"

namespace doppel::devices {

/// @source  OASIS Virtual I/O Device (VIRTIO) Version 1.2, "Split Virtqueues" (2.7)
class VirtioQueue {
 public:
  /// A request cannot have more pieces and bytes than this.
  static constexpr unsigned kMostPieces = 1024;
  static constexpr u64 kMostChainBytes = u64{64} << 20;

  /// `most` is a power of two; `memory` must outlive the queue.
  VirtioQueue(mmu::PhysicalMemory& memory, u16 most) : memory_(memory), most_(most), size_(most) {}

  // --- What the driver sets before it enables the queue ---

  u16 size() const { return size_; }
  /// False: no such size, or it is too late.
  bool set_size(u16 size);
  enum class Part : u8 { Descriptors, DriverRing, DeviceRing };
  u64 address(Part part) const { return addresses_[static_cast<unsigned>(part)]; }
  void set_address(Part part, u64 address);
  bool is_enabled() const { return enabled_; }
  /// False: an address is not aligned as it must be, or the ring leaves the address space.
  bool enable();
  struct Features {
    bool indirect = false;
    bool event_index = false;
  };
  void set_features(Features features) { features_ = features; }

  // --- Requests ---

  /// The next chain's head, or nothing; a chain is given once.
  std::optional<u16> pop();
  /// What a head leads to. False: the queue is broken.
  bool follow(u16 head, VirtioChain& out);
  /// Chains that wait.
  u16 waiting() const;
  /// The n-th of those, without taking it; n < waiting(). False: that one is broken.
  bool peek(u16 n, VirtioChain& out) const;
  /// Gives a chain back. `written` counts from the first byte the device may write.
  void push(u16 head, u32 written);
  /// Shows the driver what was given back since the last time. True: it wants an interrupt.
  bool publish();
  /// Asks for a notification of the next chain. Everything that waits has been taken.
  void ask_for_notification();

  /// Why it is broken; null while all is well.
  const char* broken() const { return broken_; }
  /// For devices: a request that makes no sense.
  void break_off(const char* reason);

  void reset();
  void serialize(Archive& archive);

 private:
  struct Descriptor {
    u64 address;
    u32 size_bytes;
    u16 flags;
    u16 next;
  };
  template <class T>
  T load(u64 address) const;
  template <class T>
  void store(u64 address, T value);
  u16 announced() const;
  u16 head_of(u16 index) const;
  // These give the reason why it is no chain, or null.
  static const char* add_piece(const Descriptor& descriptor, VirtioChain& out);
  const char* read_chain(u16 head, VirtioChain& out) const;
  const char* read_table(const Descriptor& table, VirtioChain& out) const;

  u64 descriptors() const { return addresses_[0]; }
  u64 driver_ring() const { return addresses_[1]; }
  u64 device_ring() const { return addresses_[2]; }
  u64 used_event() const { return driver_ring() + 4 + 2 * u64{size_}; }
  u64 available_event() const { return device_ring() + 4 + 8 * u64{size_}; }

  mmu::PhysicalMemory& memory_;
  const u16 most_;
  u16 size_;
  std::array<u64, 3> addresses_{};
  bool enabled_ = false;
  Features features_;
  u16 next_available_ = 0;  // Running indices: they wrap at 2^16, not at the size.
  u16 next_used_ = 0;
  u16 published_ = 0;
  const char* broken_ = nullptr;
};

}  // namespace doppel::devices
