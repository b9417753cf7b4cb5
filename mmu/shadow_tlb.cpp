#include "mmu/shadow_tlb.h"

namespace doppel::mmu {

ShadowTlb::ShadowTlb() {
  // Filling never allocates.
  for (auto& list : filled_) list.reserve(kSlots);
}

void ShadowTlb::fill(Access access, LinearAddr page, u8* host_page, bool global,
                     PhysAddr physical) {
  const size_t where = index(page);
  const size_t slot = static_cast<size_t>(access) * kEntries + where;
  Entry& entry = entries_[static_cast<size_t>(access)][where];
  if (entry.tag == kInvalid || is_global_[slot] != global) {
    // Slots dropped one by one and filled again are listed twice: make room by starting afresh.
    if (filled_[global].size() == kSlots) flush(false);
    filled_[global].push_back(static_cast<u16>(slot));
    is_global_[slot] = global;
  }
  entry = {page.page().value, reinterpret_cast<u64>(host_page) - page.page().value};
  if (access == Access::Fetch) fetch_pages_[where] = physical;
  if (access == Access::Write) {
    const u64 bit = filter_bit(reinterpret_cast<u64>(host_page));
    written_pages_[bit / 64] |= u64{1} << (bit % 64);
  }
}

void ShadowTlb::flush(bool keep_global) {
  Entry* slots = &entries_[0][0];
  for (const u16 slot : filled_[0]) {
    if (!is_global_[slot]) slots[slot].tag = kInvalid;
  }
  filled_[0].clear();
  if (keep_global) return;
  for (const u16 slot : filled_[1]) slots[slot].tag = kInvalid;
  filled_[1].clear();
  written_pages_.fill(0);
}

void ShadowTlb::flush_range(LinearAddr first, u64 size) {
  const u64 pages = size >> kPageShift;
  if (pages > kEntries) {
    for (auto& table : entries_) {
      for (Entry& entry : table) {
        if (entry.tag != kInvalid && entry.tag - first.value < size) entry.tag = kInvalid;
      }
    }
    return;
  }
  for (u64 i = 0; i < pages; ++i) {
    const LinearAddr page = first.page() + (i << kPageShift);
    for (auto& table : entries_) {
      Entry& entry = table[index(page)];
      if (entry.tag == page.value) entry.tag = kInvalid;
    }
  }
}

void ShadowTlb::revoke_writes(const u8* host_page) {
  // Most pages that become tracked were never stored to through this table.
  const u64 host = reinterpret_cast<u64>(host_page);
  const u64 bit = filter_bit(host);
  if ((written_pages_[bit / 64] >> (bit % 64) & 1) == 0) return;
  for (Entry& entry : entries_[static_cast<size_t>(Access::Write)]) {
    if (entry.tag + entry.addend == host) entry.tag = kInvalid;
  }
}

}  // namespace doppel::mmu
