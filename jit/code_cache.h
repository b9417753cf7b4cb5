#pragma once

// Memory for host code, seen twice.
//
// Through one mapping code is written, through the other it runs; no page is both. Space is handed
// out in order, region by region; when the last region is full the oldest is emptied and used anew,
// so that a full cache costs a part of what was translated, not all.

#include "cpu/base/result.h"
#include "cpu/base/types.h"

namespace doppel::jit {

class CodeCache {
 public:
  static constexpr unsigned kRegions = 16;
  /// Room for the stubs, before the first region.
  static constexpr size_t kStubBytes = 64 * 1024;

  CodeCache() = default;
  ~CodeCache();
  CodeCache(const CodeCache&) = delete;
  CodeCache& operator=(const CodeCache&) = delete;

  /// @errors why the host gave no executable memory.
  Result<void, Error> map(size_t bytes);

  u8* writable(size_t offset) { return writable_ + offset; }
  /// Address at which the byte at `offset` runs.
  u64 address(size_t offset) const { return reinterpret_cast<u64>(executable_) + offset; }
  size_t offset_of(u64 address) const { return address - reinterpret_cast<u64>(executable_); }
  bool contains(u64 address) const { return offset_of(address) < size_; }
  size_t size() const { return size_; }
  size_t region_bytes() const { return region_bytes_; }
  unsigned region_of(size_t offset) const {
    return static_cast<unsigned>((offset - kStubBytes) / region_bytes_);
  }

  /// True if `bytes` more fit into the present region.
  bool has_room(size_t bytes) const { return used_ + bytes <= region_end(); }
  /// Goes on in the next region, whose content is void from now on; returns its number.
  unsigned next_region();
  /// Where the next block begins.
  size_t position() const { return used_; }
  void take(size_t bytes) { used_ += (bytes + 15) / 16 * 16; }
  /// Starts over in the first region.
  void reset();

 private:
  size_t region_begin(unsigned region) const { return kStubBytes + region * region_bytes_; }
  size_t region_end() const { return region_begin(region_) + region_bytes_; }

  u8* writable_ = nullptr;
  u8* executable_ = nullptr;
  size_t size_ = 0;
  size_t region_bytes_ = 0;
  unsigned region_ = 0;
  size_t used_ = kStubBytes;
};

}  // namespace doppel::jit
