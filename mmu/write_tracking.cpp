#include "mmu/write_tracking.h"

namespace doppel::mmu {

namespace {

constexpr u8 reason_bit(TrackReason reason) {
  return static_cast<u8>(1u << static_cast<unsigned>(reason));
}

}  // namespace

void WriteTracking::set_observer(TrackReason reason, Observer observer) {
  observers_[static_cast<unsigned>(reason)] = std::move(observer);
}

WriteTracking::Group& WriteTracking::group_of(u64 page) {
  const u64 group = page / kGroupPages;
  if (group >= groups_.size()) groups_.resize(group + 1);
  if (groups_[group] == nullptr) groups_[group] = std::make_unique<Group>();
  return *groups_[group];
}

void WriteTracking::track(PhysAddr page, TrackReason reason) {
  // Nothing stands beyond MAXPHYADDR, and a guest must not make the table grow for it.
  if (page.value >> kMaxPhysBits != 0) return;
  u8& reasons = group_of(page.page_number()).reasons[page.page_number() % kGroupPages];
  const bool was_tracked = reasons != 0;
  reasons |= reason_bit(reason);
  if (!was_tracked && protect_) protect_(page.page());
}

void WriteTracking::untrack(PhysAddr page, TrackReason reason) {
  if (!is_tracked(page)) return;
  group_of(page.page_number()).reasons[page.page_number() % kGroupPages] &=
      static_cast<u8>(~reason_bit(reason));
}

void WriteTracking::track_code(PhysAddr address, u64 size) {
  if (address.value >> kMaxPhysBits != 0) return;
  const u64 page = address.page_number();
  group_of(page).code_lines[page % kGroupPages] |= lines_of(address, size);
  track(address, TrackReason::Code);
}

void WriteTracking::untrack_code(PhysAddr page) {
  if (!is_tracked_for(page, TrackReason::Code)) return;
  group_of(page.page_number()).code_lines[page.page_number() % kGroupPages] = 0;
  untrack(page, TrackReason::Code);
}

void WriteTracking::set_code_lines(PhysAddr page, u64 lines) {
  if (lines == 0) {
    untrack_code(page);
  } else if (page.value >> kMaxPhysBits == 0) {
    group_of(page.page_number()).code_lines[page.page_number() % kGroupPages] = lines;
  }
}

bool WriteTracking::touches_code(PhysAddr address, u64 size) const {
  const u64 page = address.page_number();
  const Group* const group = find_group(page);
  return group != nullptr && (group->reasons[page % kGroupPages] & reason_bit(TrackReason::Code)) != 0 &&
         (group->code_lines[page % kGroupPages] & lines_of(address, size)) != 0;
}

bool WriteTracking::passes_beside_code(PhysAddr address, u64 size) {
  if (!is_tracked_for_code_alone(address)) return false;
  if (touches_code(address, size) && (!code_query_ || code_query_(address, size))) return false;
  Group& group = group_of(address.page_number());
  const u64 page = address.page_number() % kGroupPages;
  if (group.beside[page] + 1 >= kStoresBesideCode << group.losses[page]) return false;
  ++group.beside[page];
  return true;
}

/// Counts a store beside code. Losing the code helps only where nothing else tracks the page.
bool WriteTracking::is_one_too_many(PhysAddr address) {
  if (!is_tracked_for_code_alone(address)) return false;
  Group& group = group_of(address.page_number());
  const u64 page = address.page_number() % kGroupPages;
  if (++group.beside[page] < kStoresBesideCode << group.losses[page]) return false;
  group.beside[page] = 0;
  if (group.losses[page] < kMostDoublings) ++group.losses[page];
  return true;
}

void WriteTracking::notify(PhysAddr address, u64 size) {
  for (unsigned i = 0; i < kTrackReasons; ++i) {
    const TrackReason reason = static_cast<TrackReason>(i);
    // Asked anew for each reason: an observer may have ended another one's interest.
    if (!is_tracked_for(address, reason) || !observers_[i]) continue;
    if (reason == TrackReason::Code && !touches_code(address, size)) {
      if (is_one_too_many(address)) observers_[i](address.page(), kPageSize);
      continue;
    }
    observers_[i](address, size);
  }
}

}  // namespace doppel::mmu
