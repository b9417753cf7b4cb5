#pragma once

// A virtio device as a PCI function (virtio 1.x; there is no legacy interface).
//
//     BAR 4   0000h  common configuration: features, status, the queue that is selected
//             1000h  interrupt status: reading clears it
//             2000h  configuration of this kind of device
//             3000h  notifications: a doubleword for each queue
//     BAR 1   MSI-X: vector 0 and up as the driver gives them to queues and to the configuration
//
// Capabilities in the configuration space say where all this is; one of them reaches the same
// registers through the configuration space itself, for firmware without access to the BARs.
// Interrupts are messages where the driver enabled MSI-X, and INTA otherwise.

#include <memory>

#include "devices/msix.h"
#include "devices/pci.h"
#include "devices/virtio_device.h"

namespace doppel::devices {

/// @source  OASIS Virtual I/O Device (VIRTIO) Version 1.2, "Virtio Over PCI Bus" (4.1)
class VirtioPci final : public PciFunction, private VirtioTransport {
 public:
  static constexpr u16 kVendor = 0x1af4;
  static constexpr u16 kFirstDevice = 0x1040;
  static constexpr unsigned kMsixBar = 1;
  static constexpr unsigned kRegisterBar = 4;

  // The registers' BAR.
  static constexpr u64 kCommon = 0x0000;
  static constexpr u64 kIsr = 0x1000;
  static constexpr u64 kDevice = 0x2000;
  static constexpr u64 kNotify = 0x3000;
  static constexpr u64 kRegion = 0x1000;
  static constexpr u64 kRegisterBytes = 0x4000;
  static constexpr u32 kNotifyStep = 4;

  /// What the function is connected to; all must outlive it.
  struct Bus {
    mmu::IoMap& mmio;
    IrqLine& inta;
    MessageInterrupts& messages;
  };
  VirtioPci(std::string name, std::unique_ptr<VirtioDevice> device, const Bus& bus);

  VirtioDevice& device() { return *device_; }

  void reset() override;
  void serialize(Archive& archive) override;

 private:
  static constexpr u16 kNoVector = 0xffff;
  static constexpr u8 kQueueInterrupt = 1;
  static constexpr u8 kConfigInterrupt = 2;

  /// BAR 4.
  class Registers final : public mmu::IoHandler {
   public:
    explicit Registers(VirtioPci& owner) : owner_(owner) {}
    u64 read(u64 offset, Width width) override;
    void write(u64 offset, Width width, u64 value) override;

   private:
    VirtioPci& owner_;
  };

  // VirtioTransport
  void queue_interrupt(unsigned queue) override;
  void config_interrupt() override;
  bool may_use_memory() const override;

  // PciFunction
  void config_reading(unsigned offset, unsigned size_bytes) override;
  void config_written(unsigned offset, unsigned size_bytes) override;

  void define_capabilities();
  void follow_config();
  u64 read_region(u64 offset, Width width);
  void write_region(u64 offset, Width width, u64 value);
  u32 read_common(u64 offset);
  void write_common(u64 offset, u32 value);
  void write_queue(VirtioQueue& queue, u64 offset, u32 value);
  u16 usable_vector(u32 value) const;
  void interrupt(u16 vector, u8 cause);
  void drive_inta();
  void forget_driver();
  bool window(Width& width, u64& offset) const;

  std::unique_ptr<VirtioDevice> device_;
  IrqLine& inta_;
  Msix msix_;
  Registers registers_;

  u32 device_feature_half_ = 0;
  u32 driver_feature_half_ = 0;
  u16 selected_ = 0;
  u16 config_vector_ = kNoVector;
  std::vector<u16> queue_vectors_;
  u8 isr_ = 0;
  bool master_ = false;
};

}  // namespace doppel::devices
