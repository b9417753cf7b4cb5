#pragma once

// A raw image: the disk's bytes and nothing else.

#include <memory>

#include "devices/block_backend.h"
#include "devices/disk_image_file.h"

namespace doppel::devices {

class RawImage final : public BlockBackend {
 public:
  /// How the image came to be taken for raw.
  enum class Origin { Chosen, Guessed };

  /// @errors "PATH: reason": empty, or writable and not made of whole sectors.
  static Result<std::unique_ptr<RawImage>, Error> open(std::unique_ptr<ImageFile> file,
                                                       Origin origin);

  u64 sectors() const override { return sectors_; }
  bool is_read_only() const override { return file_->access() == ImageAccess::ReadOnly; }
  bool read(u64 sector, std::span<u8> out) override;
  bool write(u64 sector, std::span<const u8> bytes) override;
  bool flush() override;
  bool discard(u64 sector, u64 count) override;

 private:
  RawImage(std::unique_ptr<ImageFile> file, Origin origin, u64 sectors)
      : file_(std::move(file)), origin_(origin), sectors_(sectors) {}

  std::unique_ptr<ImageFile> file_;
  Origin origin_;
  u64 sectors_;
};

}  // namespace doppel::devices
