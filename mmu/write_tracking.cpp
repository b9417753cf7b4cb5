#include "mmu/write_tracking.h"

#include <algorithm>

namespace doppel::mmu {

namespace {

constexpr u8 reason_bit(TrackReason reason) {
  return static_cast<u8>(1u << static_cast<unsigned>(reason));
}

}  // namespace

u64 WriteTracking::lines_of(PhysAddr address, u64 size) {
  if (size == 0) return 0;
  const u64 first = address.page_offset() >> kLineShift;
  const u64 end = std::min(address.page_offset() + size - 1, kPageOffsetMask);
  const u64 last = end >> kLineShift;
  return (~u64{0} >> (63 - last)) & (~u64{0} << first);
}

void WriteTracking::set_observer(TrackReason reason, Observer observer) {
  observers_[static_cast<unsigned>(reason)] = std::move(observer);
}

u8& WriteTracking::reasons_of(u64 page) {
  const u64 group = page / kGroupPages;
  if (group >= groups_.size()) groups_.resize(group + 1);
  if (groups_[group] == nullptr) groups_[group] = std::make_unique<Group>();
  return (*groups_[group])[page % kGroupPages];
}

void WriteTracking::track(PhysAddr page, TrackReason reason) {
  // Nothing stands beyond MAXPHYADDR, and a guest must not make the table grow for it.
  if (page.value >> kMaxPhysBits != 0) return;
  u8& reasons = reasons_of(page.page_number());
  const bool was_tracked = reasons != 0;
  reasons |= reason_bit(reason);
  if (!was_tracked && protect_) protect_(page.page());
}

void WriteTracking::untrack(PhysAddr page, TrackReason reason) {
  if (!is_tracked(page)) return;
  reasons_of(page.page_number()) &= static_cast<u8>(~reason_bit(reason));
}

void WriteTracking::track_code(PhysAddr address, u64 size) {
  if (address.value >> kMaxPhysBits != 0) return;
  code_lines_[address.page_number()] |= lines_of(address, size);
  track(address, TrackReason::Code);
}

void WriteTracking::untrack_code(PhysAddr page) {
  code_lines_.erase(page.page_number());
  untrack(page, TrackReason::Code);
}

void WriteTracking::set_code_lines(PhysAddr page, u64 lines) {
  if (lines == 0) {
    untrack_code(page);
  } else {
    code_lines_[page.page_number()] = lines;
  }
}

bool WriteTracking::touches_code(PhysAddr address, u64 size) const {
  if (!is_tracked_for(address, TrackReason::Code)) return false;
  const auto lines = code_lines_.find(address.page_number());
  return lines != code_lines_.end() && (lines->second & lines_of(address, size)) != 0;
}

void WriteTracking::notify(PhysAddr address, u64 size) {
  for (unsigned i = 0; i < kTrackReasons; ++i) {
    const TrackReason reason = static_cast<TrackReason>(i);
    // Asked anew for each reason: an observer may have ended another one's interest.
    if (!is_tracked_for(address, reason) || !observers_[i]) continue;
    if (reason == TrackReason::Code && !touches_code(address, size)) continue;
    observers_[i](address, size);
  }
}

}  // namespace doppel::mmu
