#pragma once

// A source of random bytes on a virtio queue. The bytes are the machine's own sequence, so that a
// run can be repeated: what a guest makes keys of, whoever knows the seed knows too.

#include "devices/virtio_device.h"

namespace doppel::devices {

/// @source  OASIS Virtual I/O Device (VIRTIO) Version 1.2, "Entropy Device" (5.4)
class VirtioRng final : public VirtioDevice {
 public:
  /// The same `seed` gives the same bytes.
  VirtioRng(u64 seed, mmu::PhysicalMemory& memory);

  u8 read_config(unsigned) const override { return 0; }

 private:
  u64 device_features() const override { return 0; }
  void queue_notified(unsigned index) override;
  /// The sequence goes on: a machine that is reset does not see the same numbers again.
  void reset_device() override {}
  void serialize_device(Archive& archive) override { archive(sequence_); }

  u64 sequence_;
  VirtioChain chain_;  // For one request; kept for its memory.
};

}  // namespace doppel::devices
