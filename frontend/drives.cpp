#include "frontend/drives.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "cpu/base/log.h"
#include "devices/floppy_drive.h"

namespace doppel::frontend {
namespace {

using devices::BoardConfig;

BoardConfig::Drive::Kind kind_of(const DriveOptions& drive) {
  if (drive.bus == DriveOptions::Bus::Floppy) return BoardConfig::Drive::Kind::Floppy;
  if (drive.bus == DriveOptions::Bus::Virtio) return BoardConfig::Drive::Kind::VirtioDisk;
  return drive.is_cdrom ? BoardConfig::Drive::Kind::Cdrom : BoardConfig::Drive::Kind::HardDisk;
}

/// A floppy disk image that ends before the disk does: the rest is zeros, and nothing can be written.
class ShortFloppy final : public devices::BlockBackend {
 public:
  ShortFloppy(std::unique_ptr<BlockBackend> image, u64 sectors)
      : image_(std::move(image)), sectors_(sectors) {}

  u64 sectors() const override { return sectors_; }
  bool is_read_only() const override { return true; }
  bool read(u64 sector, std::span<u8> out) override {
    const u64 there = image_->sectors() > sector ? (image_->sectors() - sector) * kSectorBytes : 0;
    const size_t count = std::min<u64>(there, out.size());
    std::fill(out.begin() + static_cast<long>(count), out.end(), u8{0});
    return count == 0 || image_->read(sector, out.first(count));
  }
  bool write(u64, std::span<const u8>) override { return false; }
  bool flush() override { return true; }
  bool discard(u64, u64) override { return true; }

 private:
  std::unique_ptr<BlockBackend> image_;
  u64 sectors_;
};

constexpr u64 kFloppySizes[] = {320, 360, 640, 720, 1440, 2400, 2880, 5760};

/// Makes an image a whole disk. @errors "NAME: reason"
Result<std::unique_ptr<devices::BlockBackend>, Error> as_floppy(
    const std::string& path, std::unique_ptr<devices::BlockBackend> image) {
  const u64 sectors = image->sectors();
  if (devices::floppy_geometry(sectors)) return image;
  const auto* const size = std::upper_bound(std::begin(kFloppySizes), std::end(kFloppySizes), sectors);
  if (size == std::end(kFloppySizes))
    return Error{path + ": is no floppy disk image: " + std::to_string(sectors) + " sectors fit on no disk"};
  log::info("doppel", "%s: a disk of %llu KiB that ends early; it cannot be written", path.c_str(),
            static_cast<unsigned long long>(*size / 2));
  return std::unique_ptr<devices::BlockBackend>(std::make_unique<ShortFloppy>(std::move(image), *size));
}

/// QEMU's names, which tell the place.
std::string name_of(const DriveOptions& drive, unsigned place) {
  if (!drive.id.empty()) return drive.id;
  if (drive.bus == DriveOptions::Bus::Floppy) return "floppy" + std::to_string(place);
  if (drive.bus == DriveOptions::Bus::Virtio) return "virtio" + std::to_string(place);
  return "ide" + std::to_string(place / 2) + (drive.is_cdrom ? "-cd" : "-hd") + std::to_string(place % 2);
}

using Format = devices::DiskImageOptions::Format;

struct FormatName {
  Format format;
  std::string_view name;
};
constexpr FormatName kFormatNames[] = {
    {Format::Detect, "detect"}, {Format::Raw, "raw"}, {Format::Qcow2, "qcow2"}};

}  // namespace

std::string_view disk_format_name(Format format) {
  for (const FormatName& known : kFormatNames) {
    if (known.format == format) return known.name;
  }
  return {};
}

std::optional<Format> disk_format_named(std::string_view name) {
  for (const FormatName& known : kFormatNames) {
    if (known.name == name) return known.format;
  }
  return std::nullopt;
}

Result<std::unique_ptr<devices::BlockBackend>, Error> open_drive_image(
    const devices::DiskImageOptions& options, BoardConfig::Drive::Kind kind, MediumUse use) {
  DOPPEL_TRY(std::unique_ptr<devices::BlockBackend> image, devices::open_disk_image(options));
  if (image->sectors() == 0) return Error{options.path + ": is empty"};
  if (kind == BoardConfig::Drive::Kind::Floppy) {
    DOPPEL_TRY(image, as_floppy(options.path, std::move(image)));
  }
  if (use == MediumUse::Twice && image->twin() == nullptr && !image->is_read_only())
    return Error{options.path + ": --engine lockstep runs two machines, which cannot both write to it (-snapshot helps)"};
  return image;
}

Result<std::vector<BoardConfig::Drive>, Error> open_drives(const Options& options) {
  const MediumUse use = options.engine == EngineKind::Lockstep ? MediumUse::Twice : MediumUse::Alone;
  std::vector<BoardConfig::Drive> drives;
  for (const DriveOptions& wanted : options.drives) {
    if (wanted.bus == DriveOptions::Bus::None) continue;  // Named, and connected to nothing.
    const unsigned place = wanted.index.value_or(0);
    BoardConfig::Drive drive{.kind = kind_of(wanted), .place = place, .medium = nullptr, .serial = wanted.serial,
                             .name = name_of(wanted, place), .file = wanted.path, .cache = cache_mode_name(wanted.cache),
                             .boot_index = wanted.boot_index};
    if (!wanted.path.empty()) {
      const devices::DiskImageOptions image{.path = wanted.path, .format = wanted.format, .read_only = wanted.read_only,
                                            .snapshot = wanted.snapshot, .cache = wanted.cache, .unmap = wanted.unmap};
      DOPPEL_TRY(drive.medium, open_drive_image(image, drive.kind, use));
    }
    drives.push_back(std::move(drive));
  }
  return drives;
}

}  // namespace doppel::frontend
