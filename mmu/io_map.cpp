#include "mmu/io_map.h"

#include <iterator>

namespace doppel::mmu {

bool IoMap::add(u64 first, u64 size, IoHandler& handler) {
  if (size == 0 || first + (size - 1) < first) return false;
  if (overlaps(first, size)) return false;
  ranges_.emplace(first, Range{size, &handler});
  return true;
}

bool IoMap::remove(u64 first) { return ranges_.erase(first) != 0; }

IoMap::Hit IoMap::find(u64 address) const {
  auto after = ranges_.upper_bound(address);
  if (after == ranges_.begin()) return {};
  const auto& [first, range] = *std::prev(after);
  if (address - first >= range.size) return {};
  return {range.handler, address - first, range.size - (address - first)};
}

bool IoMap::overlaps(u64 first, u64 size) const {
  if (size == 0) return false;
  const u64 last = first + (size - 1);
  // The last range that starts at or below `last` is the only one that can reach in from the left.
  auto after = ranges_.upper_bound(last);
  if (after == ranges_.begin()) return false;
  const auto& [start, range] = *std::prev(after);
  return start + (range.size - 1) >= first;
}

u64 IoMap::read(u64 address, Width width) const {
  const Hit hit = find(address);
  if (hit.handler != nullptr && hit.remaining >= bytes(width)) [[likely]] {
    return hit.handler->read(hit.offset, width) & all_ones(width);
  }
  u64 value = 0;
  for (unsigned i = 0; i < bytes(width); ++i) {
    const Hit byte = find(address + i);
    const u64 part = byte.handler != nullptr ? byte.handler->read(byte.offset, Width::Byte) : 0xff;
    value |= (part & 0xff) << (8 * i);
  }
  return value;
}

void IoMap::write(u64 address, Width width, u64 value) const {
  const Hit hit = find(address);
  if (hit.handler != nullptr && hit.remaining >= bytes(width)) [[likely]] {
    hit.handler->write(hit.offset, width, value & all_ones(width));
    return;
  }
  // Each byte is looked up anew: a handler may have moved ranges (a PCI base address register).
  for (unsigned i = 0; i < bytes(width); ++i) {
    const Hit byte = find(address + i);
    if (byte.handler == nullptr) continue;
    byte.handler->write(byte.offset, Width::Byte, (value >> (8 * i)) & 0xff);
  }
}

}  // namespace doppel::mmu
