#pragma once

// A network card on two virtio queues.
//
// Each frame has a header of twelve bytes, which here says only how many pieces of memory a
// received frame was spread over: checksums and segmentation are the driver's own work. There is no
// control queue and so no filter: the driver gets what the wire carries.

#include "devices/network.h"
#include "devices/virtio_device.h"

namespace doppel::devices {

/// @source  OASIS Virtual I/O Device (VIRTIO) Version 1.2, "Network Device" (5.1)
class VirtioNet final : public VirtioDevice, public NetworkCard {
 public:
  /// `link` may be null: there is no cable, and the driver is told so. References must outlive the
  /// card.
  VirtioNet(const MacAddress& mac, NetworkLink* link, mmu::PhysicalMemory& memory);

  u8 read_config(unsigned offset) const override;

  MacAddress mac() const override { return mac_; }
  bool can_receive() const override;
  void receive(std::span<const u8> frame) override;

 private:
  static constexpr unsigned kReceive = 0;
  static constexpr unsigned kTransmit = 1;

  u64 device_features() const override;
  void queue_notified(unsigned index) override;
  void reset_device() override {}
  void serialize_device(Archive&) override {}

  /// How many of the driver's buffers so many bytes take; zero if there is no room for them.
  u16 buffers_for(u64 size_bytes) const;

  const MacAddress mac_;
  NetworkLink* link_;
  VirtioChain chain_;       // For one frame; kept for its memory.
  std::vector<u8> buffer_;  // As well.
};

}  // namespace doppel::devices
