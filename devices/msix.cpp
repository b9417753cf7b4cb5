#include "devices/msix.h"

#include "cpu/base/bits.h"
#include "cpu/base/check.h"

namespace doppel::devices {

namespace {

constexpr u64 kEntryBytes = 16;
constexpr u64 kLowHalf = 0xffff'ffff;

}  // namespace

Msix::Msix(MessageInterrupts& messages, unsigned vectors) : messages_(messages), vectors_(vectors) {
  DOPPEL_CHECK(vectors != 0 && vectors <= kMostVectors,
               "a table of MSI-X vectors that has no room");
}

void Msix::set_control(bool enabled, bool masked, bool master) {
  enabled_ = enabled;
  open_ = enabled && !masked && master;
  send_pending();
}

void Msix::raise(unsigned vector) {
  if (vector >= vectors_ || !enabled_) return;
  pending_ = with_bit(pending_, vector, true);
  send_pending();
}

void Msix::send_pending() {
  if (!open_ || pending_ == 0) return;
  for (unsigned i = 0; i < vectors_; ++i) {
    const Entry& entry = entries_[i];
    if (!bit(pending_, i) || (entry.control & kMasked) != 0) continue;
    pending_ = with_bit(pending_, i, false);
    messages_.message(entry.address, entry.data);
  }
}

u32 Msix::dword(u64 offset) const {
  if (offset >= kPending) {
    const u64 at = offset - kPending;
    return at < 8 ? static_cast<u32>(pending_ >> (8 * at)) : 0;
  }
  const u64 index = offset / kEntryBytes;
  if (index >= vectors_) return 0;
  const Entry& entry = entries_[index];
  switch (offset % kEntryBytes) {
    case 0:
      return static_cast<u32>(entry.address);
    case 4:
      return static_cast<u32>(entry.address >> 32);
    case 8:
      return entry.data;
    default:
      return entry.control;
  }
}

void Msix::set_dword(u64 offset, u32 value) {
  const u64 index = offset / kEntryBytes;
  if (offset >= kPending || index >= vectors_) return;
  Entry& entry = entries_[index];
  switch (offset % kEntryBytes) {
    case 0:
      entry.address = (entry.address & ~kLowHalf) | (value & ~u32{3});
      break;
    case 4:
      entry.address = (entry.address & kLowHalf) | u64{value} << 32;
      break;
    case 8:
      entry.data = value;
      break;
    default:
      entry.control = value & kMasked;
      send_pending();
      break;
  }
}

u64 Msix::read(u64 offset, Width width) {
  const u64 first = align_down(offset, 4);
  const u64 value = dword(first) | u64{dword(first + 4)} << 32;
  return (value >> (8 * (offset - first))) & all_ones(width);
}

void Msix::write(u64 offset, Width width, u64 value) {
  if (offset % 4 != 0 || bytes(width) < 4) return;
  set_dword(offset, static_cast<u32>(value));
  if (width == Width::Qword) set_dword(offset + 4, static_cast<u32>(value >> 32));
}

void Msix::reset() {
  entries_.fill({});
  pending_ = 0;
  enabled_ = open_ = false;
}

void Msix::serialize(Archive& archive) {
  archive(entries_, pending_);
  if (!archive.is_loading()) return;
  if (vectors_ < kMostVectors && pending_ >> vectors_ != 0)
    archive.fail("an interrupt is pending that the card does not have");
}

}  // namespace doppel::devices
