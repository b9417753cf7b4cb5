#pragma once

// Opening a disk image: which format it is, what it stands on, who may write it.
//
// An image may name a backing file, which may name another: the chain is opened here, everything
// below the top read-only. Image files are not trusted: every way they can be wrong is one line.

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "cpu/base/result.h"
#include "devices/block_backend.h"

namespace doppel::devices {

struct DiskImageOptions {
  enum class Format { Detect, Raw, Qcow2 };

  std::string path;
  Format format = Format::Detect;
  bool read_only = false;
  bool snapshot = false;  ///< Writes go to a temporary file and end with the machine.
};

/// @errors "PATH: reason", one line.
Result<std::unique_ptr<BlockBackend>, Error> open_disk_image(const DiskImageOptions& options);

/// The format whose magic an image begins with; empty if none is known, as for a raw image.
std::string_view image_format_of(std::span<const u8> beginning);

/// True if `size_bytes` are whole sectors that all lie on the disk.
bool is_inside(const BlockBackend& disk, u64 sector, u64 size_bytes);

}  // namespace doppel::devices
