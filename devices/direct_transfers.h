#pragma once

// Reading and writing a file past the host's page cache (O_DIRECT).
//
// The host takes such transfers only in whole blocks from aligned memory. So everything goes through
// a buffer of blocks; a piece that covers only a part of one is read before it is written. A last
// block that would make the file longer than what was asked for goes through the cache: a disk's
// size is part of the disk.

#include <memory>
#include <optional>
#include <span>

#include "cpu/base/types.h"

namespace doppel::devices {

class DirectTransfers {
 public:
  /// Switches the file over; none: its file system cannot do it, and nothing changed.
  static std::optional<DirectTransfers> enable(int descriptor);

  /// What lies past the end reads as zeros. False: errno tells.
  bool read(u64 offset, std::span<u8> out);
  bool write(u64 offset, std::span<const u8> bytes);

 private:
  /// Enough for the disks there are; those with smaller blocks take it too.
  static constexpr u64 kBlockBytes = 4096;
  static constexpr u64 kBufferBytes = 256 * kBlockBytes;

  struct Free {
    void operator()(u8* memory) const;
  };

  explicit DirectTransfers(int descriptor);
  bool read_blocks(u64 offset, u64 length_bytes);
  bool write_blocks(u64 offset, u64 length_bytes);
  bool write_through_cache(u64 offset, std::span<const u8> bytes);
  bool set_direct(bool on);

  int descriptor_;
  std::unique_ptr<u8[], Free> buffer_;
};

}  // namespace doppel::devices
