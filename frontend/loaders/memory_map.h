#pragma once

// Which guest-physical ranges are RAM, as firmware would report them (e820), and room among them.

#include <optional>
#include <vector>

#include "cpu/base/address.h"
#include "cpu/base/types.h"

namespace doppel::frontend::loaders {

struct MemoryRange {
  u64 first = 0;
  u64 size = 0;
  enum class Type : u32 { Usable = 1, Reserved = 2, Acpi = 3, Nvs = 4 };
  Type type = Type::Usable;
  u64 end() const { return first + size; }
};

class MemoryMap {
 public:
  /// The map of a board with this much RAM: see devices/pc_layout.h.
  static MemoryMap of_board(u64 ram_bytes);

  const std::vector<MemoryRange>& ranges() const { return ranges_; }
  /// Inside one usable range.
  bool is_usable(u64 first, u64 size) const;
  /// End of RAM below the PCI hole.
  u64 low_end() const { return low_end_; }
  /// The highest place for `size` bytes that starts at or above `floor` and ends at or below
  /// `ceiling`, below 4 GiB, aligned; nothing if there is no room.
  std::optional<u64> place_high(u64 size, u64 floor, u64 ceiling, u64 alignment = 4096) const;
  /// KiB below 640 KiB and KiB from 1 MiB to the first hole, as multiboot and INT 15h want them.
  u32 lower_kib() const { return 639; }
  u32 upper_kib() const { return static_cast<u32>((low_end_ - 0x100000) / 1024); }

 private:
  std::vector<MemoryRange> ranges_;
  u64 low_end_ = 0;
};

}  // namespace doppel::frontend::loaders
