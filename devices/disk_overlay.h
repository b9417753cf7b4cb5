#pragma once

// Writes that end with the machine: they go to a temporary file, the image below stays as it is.
//
// The temporary file has no name and holds one slot for every 64 KB of the disk that was written,
// in the order of first writing, so it is as large as what was written and no larger than any file
// system allows. A bit for every sector says whether the slot or the image below has it, so that a
// write never has to read.

#include <array>
#include <memory>
#include <unordered_map>

#include "devices/block_backend.h"
#include "devices/disk_image_file.h"

namespace doppel::devices {

class DiskOverlay final : public BlockBackend {
 public:
  /// @param access  ReadOnly: nothing can be written; there are twins all the same.
  DiskOverlay(std::shared_ptr<BlockBackend> base, ImageAccess access);
  ~DiskOverlay() override;
  DiskOverlay(const DiskOverlay&) = delete;
  DiskOverlay& operator=(const DiskOverlay&) = delete;

  u64 sectors() const override { return base_->sectors(); }
  bool is_read_only() const override { return access_ == ImageAccess::ReadOnly; }
  bool read(u64 sector, std::span<u8> out) override;
  bool write(u64 sector, std::span<const u8> bytes) override;
  /// Nothing here outlives the machine, so nothing has to be durable.
  bool flush() override { return true; }
  bool discard(u64 sector, u64 count) override;
  std::string_view format() const override { return base_->format(); }
  /// Another overlay over the same base, which sees none of this one's writes. Both belong to one
  /// thread: the base has caches.
  std::unique_ptr<BlockBackend> twin() override;

 private:
  static constexpr u64 kSlotSectors = 128;
  static constexpr u64 kSlotBytes = kSlotSectors * kSectorBytes;

  struct Slot {
    u64 offset = 0;                // In the temporary file.
    std::array<u64, 2> present{};  // A bit a sector.

    bool has(u64 index) const { return (present[index / 64] >> (index % 64) & 1) != 0; }
    void add(u64 index) { present[index / 64] |= u64{1} << (index % 64); }
  };

  bool open_file();
  bool read_piece(u64 sector, std::span<u8> out);
  bool write_piece(u64 sector, std::span<const u8> bytes);
  bool transfer_failed();

  std::shared_ptr<BlockBackend> base_;
  ImageAccess access_;
  int descriptor_ = -1;  // Opened by the first write.
  bool complained_ = false;
  std::unordered_map<u64, Slot> slots_;  // By sector / kSlotSectors.
};

}  // namespace doppel::devices
