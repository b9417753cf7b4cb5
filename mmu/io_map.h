#pragma once

// Which handler answers where: one map for ports, one for memory-mapped registers.

#include <boost/container/flat_map.hpp>

#include "cpu/base/types.h"
#include "mmu/io_handler.h"

namespace doppel::mmu {

class IoMap {
 public:
  /// Adds a range; false if it overlaps an earlier one, is empty, or wraps. `handler` must outlive
  /// the map.
  bool add(u64 first, u64 size, IoHandler& handler);
  /// Takes away the range that starts at `first`; false if there is none.
  bool remove(u64 first);

  struct Hit {
    IoHandler* handler = nullptr;  ///< Null: nothing answers.
    u64 offset = 0;
    u64 remaining = 0;  ///< Bytes from `offset` to the end of the range.
  };
  Hit find(u64 address) const;
  /// True if any range touches [first, first + size).
  bool overlaps(u64 first, u64 size) const;

  /// Reads as the bus does: an access that leaves its range, or meets none, is split into bytes;
  /// bytes nobody answers read all ones.
  u64 read(u64 address, Width width) const;
  void write(u64 address, Width width, u64 value) const;

 private:
  struct Range {
    u64 size = 0;
    IoHandler* handler = nullptr;
  };
  boost::container::flat_map<u64, Range> ranges_;  // Written at start, searched on every access.
};

}  // namespace doppel::mmu
