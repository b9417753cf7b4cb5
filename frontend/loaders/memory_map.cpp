#include "frontend/loaders/memory_map.h"

#include <algorithm>

#include "cpu/base/bits.h"
#include "devices/pc_layout.h"

namespace doppel::frontend::loaders {

namespace layout = devices::layout;

MemoryMap MemoryMap::of_board(u64 ram_bytes) {
  using Type = MemoryRange::Type;
  // The last KiB below 640 KiB is where firmware keeps its extended data area.
  constexpr u64 kBiosData = 0x9fc00;
  MemoryMap map;
  map.low_end_ = std::min(ram_bytes, layout::kPciHole);
  map.ranges_.push_back({0, kBiosData, Type::Usable});
  map.ranges_.push_back({kBiosData, layout::kVgaHole - kBiosData, Type::Reserved});
  map.ranges_.push_back({0xe0000, layout::kHighRam - 0xe0000, Type::Reserved});
  if (map.low_end_ > layout::kHighRam) {
    map.ranges_.push_back({layout::kHighRam, map.low_end_ - layout::kHighRam, Type::Usable});
  } else {
    map.low_end_ = layout::kHighRam;
  }
  if (ram_bytes > layout::kPciHole) {
    map.ranges_.push_back({layout::kFourGib, ram_bytes - layout::kPciHole, Type::Usable});
  }
  return map;
}

bool MemoryMap::is_usable(u64 first, u64 size) const {
  for (const MemoryRange& range : ranges_) {
    if (range.type != MemoryRange::Type::Usable) continue;
    if (first >= range.first && size <= range.size && first - range.first <= range.size - size)
      return true;
  }
  return false;
}

std::optional<u64> MemoryMap::place_high(u64 size, u64 floor, u64 ceiling, u64 alignment) const {
  const u64 end = std::min(ceiling, low_end_);
  if (size > end) return std::nullopt;
  const u64 first = align_down(end - size, alignment);
  if (first < floor || !is_usable(first, size)) return std::nullopt;
  return first;
}

}  // namespace doppel::frontend::loaders
