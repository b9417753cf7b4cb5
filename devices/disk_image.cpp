#include "devices/disk_image.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "cpu/base/log.h"
#include "devices/disk_image_file.h"
#include "devices/disk_image_qcow2.h"
#include "devices/disk_image_raw.h"
#include "devices/disk_overlay.h"
#include "devices/disk_policy.h"

namespace doppel::devices {
namespace {

using Format = DiskImageOptions::Format;
using Opened = Result<std::unique_ptr<BlockBackend>, Error>;

struct Magic {
  std::string_view format;
  size_t offset;
  std::string_view bytes;
};

constexpr std::string_view kQcow2 = "qcow2";

// clang-format off
constexpr Magic kMagics[] = {
    {kQcow2,  0, "QFI\xfb"},
    {"QED",   0, std::string_view("QED\0", 4)},
    {"VMDK",  0, "KDMV"},
    {"VMDK",  0, "COWD"},
    {"VMDK",  0, "# Disk DescriptorFile"},
    {"VHD",   0, "conectix"},
    {"VHDX",  0, "vhdxfile"},
    {"VDI",  64, "\x7f\x10\xda\xbe"},
};
// clang-format on

/// Deeper chains are taken for a mistake.
constexpr size_t kMaxChain = 16;

struct Chain {
  ImageKeeping keeping;
  /// The images above the one being opened: none of them may come again.
  std::vector<const ImageFile*> above;
};

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash + 1);
}

Opened open_level(const std::string& path, Format format, ImageAccess access, Chain& chain);

Result<Format, Error> format_named(const ImageFile& image, const std::string& name) {
  if (name.empty()) return Format::Detect;
  if (name == "raw" || name == "file" || name == "host_device") return Format::Raw;
  if (name == kQcow2) return Format::Qcow2;
  return image.error("its backing file has format \"" + name + "\", which is not supported");
}

/// The file that `header` stands on, as a path from here.
Result<std::string, Error> backing_path(const ImageFile& image, const std::string& name) {
  constexpr std::string_view kFile = "file:";
  if (name.starts_with(kFile)) return backing_path(image, name.substr(kFile.size()));
  // A colon before any slash is a protocol's ("nbd:", "json:").
  const size_t colon = name.find(':');
  if (colon != std::string::npos && colon < name.find('/')) {
    return image.error("its backing file \"" + name + "\" is not a plain file");
  }
  return name.starts_with('/') ? name : folder_of(image.path()) + name;
}

Opened open_qcow2(std::unique_ptr<ImageFile> file, ImageAccess access, Chain& chain) {
  DOPPEL_TRY(const Qcow2Header header, read_qcow2_header(*file));
  std::unique_ptr<BlockBackend> backing;
  if (!header.backing_file.empty()) {
    DOPPEL_TRY(const Format format, format_named(*file, header.backing_format));
    DOPPEL_TRY(const std::string path, backing_path(*file, header.backing_file));
    chain.above.push_back(file.get());
    Opened opened = open_level(path, format, ImageAccess::ReadOnly, chain);
    chain.above.pop_back();
    if (!opened.ok()) return file->error("backing file " + opened.error().message);
    backing = opened.take();
  }
  DOPPEL_TRY(auto image, Qcow2Image::open(std::move(file), header, std::move(backing), access));
  return std::unique_ptr<BlockBackend>(std::move(image));
}

Opened open_raw(std::unique_ptr<ImageFile> file, RawImage::Origin origin) {
  DOPPEL_TRY(auto image, RawImage::open(std::move(file), origin));
  return std::unique_ptr<BlockBackend>(std::move(image));
}

Opened open_level(const std::string& path, Format format, ImageAccess access, Chain& chain) {
  if (chain.above.size() >= kMaxChain) return Error{path + ": the chain of backing files is too long"};
  for (const ImageFile* other : chain.above) {
    if (other->is_at(path)) return Error{path + ": stands on itself"};
  }
  DOPPEL_TRY(auto file, ImageFile::open(path, access, chain.keeping));
  std::array<u8, BlockBackend::kSectorBytes> beginning{};
  if (!file->read(0, beginning)) return file->error("cannot be read");
  const std::string_view found = image_format_of(beginning);
  const std::string found_name(found);
  switch (format) {
    case Format::Qcow2:
      if (found != kQcow2) return file->error("is not a qcow2 image");
      return open_qcow2(std::move(file), access, chain);
    case Format::Raw:
      if (!found.empty()) {
        log::warn("disk", "%s: begins like a %s image, but is used as raw", path.c_str(),
                  found_name.c_str());
      }
      return open_raw(std::move(file), RawImage::Origin::Chosen);
    case Format::Detect:
      break;
  }
  if (found == kQcow2) return open_qcow2(std::move(file), access, chain);
  if (!found.empty()) {
    return file->error("is a " + found_name + " image, which is not supported (qcow2 and raw are)");
  }
  return open_raw(std::move(file), RawImage::Origin::Guessed);
}

}  // namespace

std::string_view image_format_of(std::span<const u8> beginning) {
  for (const Magic& magic : kMagics) {
    if (beginning.size() >= magic.offset + magic.bytes.size() &&
        std::memcmp(beginning.data() + magic.offset, magic.bytes.data(), magic.bytes.size()) == 0) {
      return magic.format;
    }
  }
  return {};
}

bool is_inside(const BlockBackend& disk, u64 sector, u64 size_bytes) {
  return size_bytes % BlockBackend::kSectorBytes == 0 && sector <= disk.sectors() &&
         size_bytes / BlockBackend::kSectorBytes <= disk.sectors() - sector;
}

Result<std::unique_ptr<BlockBackend>, Error> open_disk_image(const DiskImageOptions& options) {
  const bool keeps_file = options.read_only || options.snapshot;
  Chain chain{.keeping = {.direct = options.cache.direct, .durable = !options.cache.no_flush},
              .above = {}};
  DOPPEL_TRY(auto image,
             open_level(options.path, options.format,
                        keeps_file ? ImageAccess::ReadOnly : ImageAccess::ReadWrite, chain));
  if (!keeps_file) {
    if (options.cache.write_back && options.unmap) return image;
    return std::unique_ptr<BlockBackend>(std::make_unique<DiskPolicy>(
        std::move(image), DiskPolicy::Rules{.write_through = !options.cache.write_back,
                                            .keeps_discarded = !options.unmap}));
  }
  // A read-only image gets an overlay too, one without writes: that is what can have twins.
  return std::unique_ptr<BlockBackend>(std::make_unique<DiskOverlay>(
      std::shared_ptr<BlockBackend>(std::move(image)),
      options.read_only ? ImageAccess::ReadOnly : ImageAccess::ReadWrite));
}

}  // namespace doppel::devices
