#pragma once

// What a person decided about a disk that is written in place: when its writes are durable, and
// whether discarded sectors go back to the host.

#include <memory>
#include <utility>

#include "devices/block_backend.h"

namespace doppel::devices {

class DiskPolicy final : public BlockBackend {
 public:
  struct Rules {
    bool write_through = false;    ///< Every write is flushed before it returns.
    bool keeps_discarded = false;  ///< Discarding changes nothing.
  };

  DiskPolicy(std::unique_ptr<BlockBackend> disk, Rules rules)
      : disk_(std::move(disk)), rules_(rules) {}

  u64 sectors() const override { return disk_->sectors(); }
  bool is_read_only() const override { return disk_->is_read_only(); }
  bool read(u64 sector, std::span<u8> out) override { return disk_->read(sector, out); }
  bool write(u64 sector, std::span<const u8> bytes) override;
  bool flush() override { return disk_->flush(); }
  bool has_write_cache() const override { return !rules_.write_through; }
  bool discard(u64 sector, u64 count) override;
  std::string_view format() const override { return disk_->format(); }

 private:
  std::unique_ptr<BlockBackend> disk_;
  Rules rules_;
};

}  // namespace doppel::devices
