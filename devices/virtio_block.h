#pragma once

// A disk on a virtio queue.
//
// A notification only estimates: each new request gets a moment at which it will be done, from a
// latency that requests share and a transfer that they pass through one after the other. The work
// itself is done at that moment, so what is under way is a list of heads and moments, and a request
// of a driver that resets the device has never happened.
//
//     request   type, priority, sector | data | status, which is the last byte the device may write

#include <deque>
#include <string>

#include "devices/block_backend.h"
#include "devices/scheduler.h"
#include "devices/virtio_device.h"

namespace doppel::devices {

/// @source  OASIS Virtual I/O Device (VIRTIO) Version 1.2, "Block Device" (5.2)
class VirtioBlock final : public VirtioDevice {
 public:
  static constexpr u16 kQueueSize = 256;
  static constexpr size_t kSerialBytes = 20;

  /// `name` is for the scheduler; of `serial` 20 characters are shown. References must outlive the
  /// disk.
  VirtioBlock(std::string name, BlockBackend& medium, std::string serial,
              mmu::PhysicalMemory& memory, Scheduler& scheduler);

  u8 read_config(unsigned offset) const override;
  void write_config(unsigned offset, u8 value) override;

  /// Sectors that went from or to the medium since the disk was made: not the guest's.
  u64 sectors_moved() const { return sectors_moved_; }

 private:
  enum class Status : u8 { Ok = 0, IoError = 1, Unsupported = 2 };
  struct Header {
    u32 type;
    u32 priority;
    u64 sector;
  };
  struct UnderWay {
    u16 head = 0;
    u64 due_ns = 0;
    void serialize(Archive& archive) { archive(head, due_ns); }
  };

  u64 device_features() const override;
  void queue_notified(unsigned index) override;
  void reset_device() override;
  void serialize_device(Archive& archive) override;

  void work();
  void delay_the_rest();
  void finish(u16 head);
  Status perform(const Header& header, VirtioCursor data, VirtioCursor reply, u64 data_bytes,
                 u64 reply_bytes);
  Status read(u64 sector, VirtioCursor& reply, u64 size_bytes);
  Status write(u64 sector, VirtioCursor& data, u64 size_bytes);
  Status erase(VirtioCursor& data, u64 size_bytes, bool zero);
  bool write_zeroes(u64 sector, u64 count);
  bool is_inside(u64 sector, u64 count) const;

  BlockBackend& medium_;
  std::string serial_;
  Scheduler& scheduler_;
  Scheduler::EventId event_;

  std::deque<UnderWay> under_way_;  // In the order in which they will be done.
  u64 busy_until_ns_ = 0;
  bool write_back_ = true;

  VirtioChain chain_;       // For one request at a time; kept for its memory.
  std::vector<u8> buffer_;  // As well.
  u64 late_ns_ = 0;         // Only while it works.
  u64 sectors_moved_ = 0;
};

}  // namespace doppel::devices
