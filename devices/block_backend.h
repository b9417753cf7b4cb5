#pragma once

// What stands behind a drive: sectors, wherever they are kept.
//
// Calls are made while the machine stands still and return when done; virtual time is the drive's
// affair. Contents are the guest's, so nothing here may depend on the host's clock.

#include <memory>
#include <span>
#include <string_view>

#include "cpu/base/types.h"

namespace doppel::devices {

class BlockBackend {
 public:
  static constexpr u64 kSectorBytes = 512;

  virtual ~BlockBackend() = default;

  virtual u64 sectors() const = 0;
  virtual bool is_read_only() const = 0;
  /// Whole sectors inside [0, sectors()). False: the host could not; it has been logged.
  virtual bool read(u64 sector, std::span<u8> out) = 0;
  /// As read. Never called when read-only.
  virtual bool write(u64 sector, std::span<const u8> bytes) = 0;
  /// All that was written before is durable once this returned true.
  virtual bool flush() = 0;
  /// False: a write is durable when it returns, and the guest is told that there is no cache.
  virtual bool has_write_cache() const { return true; }
  /// For people: "raw", "qcow2".
  virtual std::string_view format() const { return "raw"; }
  /// These sectors are of no interest any more: they read as zeros or as before.
  virtual bool discard(u64 sector, u64 count) = 0;
  /// The same starting contents for a second machine, whose writes stay apart; null where that
  /// cannot be (writes go to a file).
  virtual std::unique_ptr<BlockBackend> twin() { return nullptr; }
};

}  // namespace doppel::devices
