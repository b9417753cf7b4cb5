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

/// What lies between a guest's write and the medium; QEMU's `cache=` names sets of these.
struct DiskCache {
  bool write_back = true;  ///< False: a write is durable before it completes.
  bool direct = false;     ///< Past the host's page cache, where its file system can.
  bool no_flush = false;   ///< The host writes when it likes, whatever the guest asks for.

  bool operator==(const DiskCache&) const = default;
};

struct DiskImageOptions {
  enum class Format { Detect, Raw, Qcow2 };

  std::string path;
  Format format = Format::Detect;
  bool read_only = false;
  bool snapshot = false;  ///< Writes go to a temporary file and end with the machine.
  DiskCache cache = {};
  bool unmap = true;  ///< What the guest discards is given back to the host.
};

/// @errors "PATH: reason", one line.
Result<std::unique_ptr<BlockBackend>, Error> open_disk_image(const DiskImageOptions& options);

/// The format whose magic an image begins with; empty if none is known, as for a raw image.
std::string_view image_format_of(std::span<const u8> beginning);

/// True if `size_bytes` are whole sectors that all lie on the disk.
bool is_inside(const BlockBackend& disk, u64 sector, u64 size_bytes);

}  // namespace doppel::devices
