#pragma once

// Files of blocks where zeros are holes: memory and disks of a saved machine.
//
// The hash covers the blocks that are not all zeros and where they are, so a hole and written zeros
// are the same, as they are to who reads them.

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "cpu/base/result.h"
#include "cpu/base/types.h"

namespace doppel::frontend {

class SparseWriter {
 public:
  /// Block size of `put` and `visit_blocks`.
  static constexpr u64 kBlockBytes = 4096;

  /// A new file. @errors "NAME: reason"
  static Result<std::unique_ptr<SparseWriter>, Error> create(const std::string& path, u64 size_bytes);
  ~SparseWriter();
  SparseWriter(const SparseWriter&) = delete;
  SparseWriter& operator=(const SparseWriter&) = delete;

  /// Blocks in rising order; the file's last may be shorter. @errors "NAME: reason"
  Result<void, Error> put(u64 offset, std::span<const u8> bytes);
  /// Everything is on the medium; the hash. @errors "NAME: reason"
  Result<u64, Error> finish();

 private:
  SparseWriter(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  Error system_error() const;

  std::string path_;
  int descriptor_;
  u64 hash_ = 0;
};

/// Calls `visit` for the blocks that are not all zeros, in rising order, and returns the hash. False
/// from `visit` ends it with hash 0.
/// @errors "NAME: reason": also if the file has another size.
Result<u64, Error> visit_blocks(const std::string& path, u64 size_bytes,
                                const std::function<bool(u64 offset, std::span<const u8>)>& visit);

}  // namespace doppel::frontend
