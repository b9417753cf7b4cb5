#include "devices/disk_image_raw.h"

#include <algorithm>

#include "devices/disk_image.h"

namespace doppel::devices {

Result<std::unique_ptr<RawImage>, Error> RawImage::open(std::unique_ptr<ImageFile> file,
                                                        Origin origin) {
  const u64 size_bytes = file->size_bytes();
  if (size_bytes == 0) return file->error("is empty");
  if (size_bytes % kSectorBytes != 0 && file->access() == ImageAccess::ReadWrite) {
    return file->error("its size is not a multiple of 512 bytes, so it can only be read");
  }
  // An odd tail (a CD or a floppy that was cut short) is filled up with the zeros past the end.
  const u64 sectors = size_bytes / kSectorBytes + (size_bytes % kSectorBytes != 0 ? 1 : 0);
  return std::unique_ptr<RawImage>(new RawImage(std::move(file), origin, sectors));
}

bool RawImage::read(u64 sector, std::span<u8> out) {
  return is_inside(*this, sector, out.size()) && file_->read(sector * kSectorBytes, out);
}

bool RawImage::write(u64 sector, std::span<const u8> bytes) {
  if (is_read_only() || !is_inside(*this, sector, bytes.size())) return false;
  // A guest that could turn a guessed raw image into another format would choose the backing file
  // of the next start, and with it any file of the host.
  if (origin_ == Origin::Guessed && sector == 0 && !image_format_of(bytes).empty()) {
    file_->complain(
        "the guest writes another format's magic into sector 0, which is refused "
        "unless the format is given as raw");
    return false;
  }
  return file_->write(sector * kSectorBytes, bytes);
}

bool RawImage::flush() { return is_read_only() || file_->sync(); }

bool RawImage::discard(u64 sector, u64 count) {
  if (is_read_only() || sector >= sectors_) return false;
  file_->punch(sector * kSectorBytes, std::min(count, sectors_ - sector) * kSectorBytes);
  return true;
}

}  // namespace doppel::devices
