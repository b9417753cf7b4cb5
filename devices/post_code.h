#pragma once

#include <array>
#include <vector>

#include "devices/byte_ports.h"
#include "devices/device.h"
#include "devices/scheduler.h"

namespace doppel::devices {

/// The POST code port: progress codes of firmware, with the virtual time they were written at.
/// @source  AT firmware convention, port 80h
class PostCodePort final : public Device, public ByteHandler {
 public:
  explicit PostCodePort(const Scheduler& scheduler) : scheduler_(scheduler) {}

  struct Entry {
    u64 time_ns = 0;
    u8 code = 0;
    void serialize(Archive& archive) { archive(time_ns, code); }
  };
  static constexpr size_t kHistory = 256;
  /// The last 256 codes, oldest first. Survives a reset: it is there to tell why one happened.
  std::vector<Entry> history() const;

  std::string_view name() const override { return "post_code"; }
  void reset() override { last_ = 0; }
  void serialize(Archive& archive) override;

 private:
  // Guests also write here to pass the time ("outb to port 80h"), so this must stay cheap.
  u8 read_byte(unsigned) override { return last_; }
  void write_byte(unsigned offset, u8 value) override;

  const Scheduler& scheduler_;
  std::array<Entry, kHistory> ring_{};
  u64 written_ = 0;
  u8 last_ = 0;
};

}  // namespace doppel::devices
