#pragma once

// What every virtio device has, whichever bus it is on: features, status, queues.
//
//     driver:  ACKNOWLEDGE, DRIVER, features, FEATURES_OK, queues, DRIVER_OK: then it runs
//     device:  DEVICE_NEEDS_RESET when a driver did what none may do: only a reset helps then
//
// A kind of device says what it offers and what a notification means; the transport shows the
// registers and carries interrupts.

#include <optional>
#include <span>
#include <vector>

#include "cpu/base/archive.h"
#include "devices/virtio_queue.h"

namespace doppel::devices {

/// @source  OASIS Virtual I/O Device (VIRTIO) Version 1.2, "Basic Facilities of a Virtio Device"
namespace virtio {
inline constexpr u8 kAcknowledge = 1;
inline constexpr u8 kDriver = 2;
inline constexpr u8 kDriverOk = 4;
inline constexpr u8 kFeaturesOk = 8;
inline constexpr u8 kNeedsReset = 64;
inline constexpr u8 kFailed = 128;

inline constexpr u64 kIndirectDescriptors = u64{1} << 28;
inline constexpr u64 kEventIndex = u64{1} << 29;
inline constexpr u64 kVersion1 = u64{1} << 32;
}  // namespace virtio

/// The bus, as a device sees it.
class VirtioTransport {
 public:
  virtual ~VirtioTransport() = default;
  virtual void queue_interrupt(unsigned queue) = 0;
  virtual void config_interrupt() = 0;
  /// The device may read and write memory.
  virtual bool may_use_memory() const = 0;
};

class VirtioDevice {
 public:
  /// What the bus says of a kind of device.
  struct Kind {
    u16 id = 0;          ///< "Device Types" (5): 1 network card, 2 block device, ...
    u32 class_code = 0;  ///< PCI's, 24 bits.
  };

  virtual ~VirtioDevice() = default;
  VirtioDevice(const VirtioDevice&) = delete;
  VirtioDevice& operator=(const VirtioDevice&) = delete;

  const Kind& kind() const { return kind_; }
  /// Once, before anything else; it must outlive the device.
  void connect(VirtioTransport& transport) { transport_ = &transport; }

  // --- The driver's registers ---

  u64 offered_features() const;
  u64 driver_features() const { return driver_features_; }
  /// Half 0 or 1 of the features that the driver takes.
  void set_driver_features(unsigned half, u32 value);
  u8 status() const { return status_; }
  /// Zero resets.
  void set_status(u8 value);
  unsigned queues() const { return static_cast<unsigned>(queues_.size()); }
  /// Null if there is no such queue.
  VirtioQueue* queue(unsigned index) { return index < queues_.size() ? &queues_[index] : nullptr; }
  const VirtioQueue* queue(unsigned index) const {
    return index < queues_.size() ? &queues_[index] : nullptr;
  }
  void enable_queue(unsigned index);
  /// There may be new requests; without a queue of this number nothing happens.
  void notify(unsigned index);
  /// As notify, for all queues: what was announced while the device could not work.
  void notify_all();

  /// The configuration of this kind of device; zeros beyond its end.
  virtual u8 read_config(unsigned offset) const = 0;
  virtual void write_config(unsigned offset, u8 value);

  void reset();
  void serialize(Archive& archive);

 protected:
  VirtioDevice(mmu::PhysicalMemory& memory, Kind kind, std::span<const u16> queue_sizes);

  virtual u64 device_features() const = 0;
  /// The driver says that this queue has something; only while running().
  virtual void queue_notified(unsigned index) = 0;
  /// Forgets all that is under way.
  virtual void reset_device() = 0;
  virtual void serialize_device(Archive& archive) = 0;

  mmu::PhysicalMemory& memory() const { return memory_; }
  /// The driver is ready, and nothing is broken.
  bool running() const;
  bool has(u64 feature) const { return (driver_features_ & feature) != 0; }
  /// Shows the driver what was given back, and interrupts if it wants that.
  void publish(unsigned index);
  /// If the queue is broken, so is the device. True: it is.
  bool gave_up(unsigned index);

 private:
  const Kind kind_;
  mmu::PhysicalMemory& memory_;
  VirtioTransport* transport_ = nullptr;
  std::vector<VirtioQueue> queues_;
  u64 driver_features_ = 0;
  u8 status_ = 0;
};

/// A little-endian structure, a byte at a time; zero beyond its end.
template <class T>
u8 config_byte(const T& config, unsigned offset) {
  return offset < sizeof(T) ? reinterpret_cast<const u8*>(&config)[offset] : u8{0};
}

}  // namespace doppel::devices
