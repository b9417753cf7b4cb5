#pragma once

// A console on two virtio queues: one port, which is the guest's hvc0.
//
// What comes from outside waits in a small buffer for a moment and then fills the driver's pieces
// of memory: a pasted line is one request and one interrupt. Before a driver listens there is no
// room, so nothing that was typed early is lost.

#include <string>

#include "devices/byte_queue.h"
#include "devices/endpoints.h"
#include "devices/scheduler.h"
#include "devices/virtio_device.h"

namespace doppel::devices {

/// Simplified: one port, without the control queues of VIRTIO_CONSOLE_F_MULTIPORT.
/// @source  OASIS Virtual I/O Device (VIRTIO) Version 1.2, "Console Device" (5.3)
class VirtioConsole final : public VirtioDevice, private ByteReceiver {
 public:
  /// `sink` may be null: what the guest writes goes nowhere. `name` is for the scheduler.
  /// References must outlive the console.
  VirtioConsole(std::string name, ByteSink* sink, mmu::PhysicalMemory& memory,
                Scheduler& scheduler);

  ByteReceiver& receiver() { return *this; }
  u8 read_config(unsigned) const override { return 0; }

 private:
  static constexpr unsigned kReceive = 0;
  static constexpr unsigned kTransmit = 1;
  static constexpr unsigned kWaitingBytes = 256;

  // ByteReceiver
  unsigned room() const override;
  void receive(u8 byte) override;

  u64 device_features() const override { return 0; }
  void queue_notified(unsigned index) override;
  void reset_device() override;
  void serialize_device(Archive& archive) override { archive(waiting_, listens_at_ns_); }

  void transmit();
  void hand_over();

  ByteSink* sink_;
  Scheduler& scheduler_;
  Scheduler::EventId event_;
  ByteQueue<kWaitingBytes> waiting_;
  u64 listens_at_ns_ = Scheduler::kNever;
  VirtioChain chain_;       // For one request; kept for its memory.
  std::vector<u8> buffer_;  // As well.
};

}  // namespace doppel::devices
