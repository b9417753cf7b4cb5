#include "mmu/shadow_tlb.h"

#include <algorithm>

namespace doppel::mmu {

ShadowTlb::ShadowTlb() {
  write_chains_.fill(kNoSlot);
  chain_of_.fill(kNoSlot);
  std::fill_n(read_tags, kEntries, kInvalid);
  std::fill_n(write_tags, kEntries, kInvalid);
  std::fill_n(fetch_pages, kEntries, kNoPage);
  // Filling never allocates.
  for (auto& list : filled_) list.reserve(kSlots);
}

void ShadowTlb::list(size_t slot, bool global) {
  u8& state = state_[slot];
  const u8 listed = global ? kListedGlobal : kListedNonGlobal;
  if ((state & listed) == 0) filled_[global].push_back(static_cast<u16>(slot));
  state = static_cast<u8>((state & ~kIsGlobal) | listed | (global ? kIsGlobal : 0));
}

void ShadowTlb::drop(size_t slot) {
  if (slot < kEntries) {
    read_tags[slot] = write_tags[slot] = kInvalid;
  } else {
    fetch_pages[slot - kEntries] = kNoPage;
    fetch_ids[slot - kEntries] = 0;
  }
}

u64 ShadowTlb::fill(Access access, LinearAddr page, u8* host_page, bool global) {
  const size_t where = slot(page);
  const u64 wanted = tag_for(page, 1);
  const u64 addend = reinterpret_cast<u64>(host_page) - page.page().value;
  u64& tag = access == Access::Write ? write_tags[where] : read_tags[where];
  u64& other = access == Access::Write ? read_tags[where] : write_tags[where];

  if (write_tags[where] != kInvalid && (write_tags[where] != wanted || addends[where] != addend)) {
    // It goes; what generated code copied of it stays.
    const size_t place = write_place(host_behind(where));
    replaced_[place / 64] |= u64{1} << (place % 64);
  }
  u64 evicted = kInvalid;
  if (tag != wanted && tag != kInvalid) evicted = tag;
  if (other != wanted && other != kInvalid) evicted = other;
  // The addend is shared: where the page leads elsewhere now, what was known of the other kind of
  // access (may it store there?) is about another frame.
  if (other != wanted || addends[where] != addend) other = kInvalid;
  // Of two rights to one page that disagree, the entry lives as long as the shorter-lived.
  if (other == wanted && (state_[where] & kIsGlobal) == 0) global = false;
  list(where, global);

  tag = wanted;
  addends[where] = addend;
  if (access == Access::Write) {
    join_chain(where, reinterpret_cast<u64>(host_page));
  }
  return evicted;
}

void ShadowTlb::fill_fetch(LinearAddr page, const u8* host_page, bool global, PhysAddr physical,
                           u32 id) {
  const size_t where = fetch_slot(page);
  list(kEntries + where, global);
  fetch_pages[where] = page.page().value;
  fetch_hosts[where] = host_page;
  fetch_physical[where] = physical;
  fetch_ids[where] = id;
}

template <class Keeps>
void ShadowTlb::drop_sites(Keeps keeps) {
  if (sites_filled > kSiteList) {
    for (Site& site : sites) site = {kNoSite, 0, site.misses};
    sites_filled = 0;
    replaced_.fill(0);
    return;
  }
  u64 kept = 0;
  for (u64 i = 0; i < sites_filled; ++i) {
    const u32 offset = filled_sites[i];
    Site& site = sites[offset / sizeof(Site)];
    if (site.minus_page == kNoSite) continue;
    if (keeps(LinearAddr(-site.minus_page), site)) {
      filled_sites[kept++] = offset;
    } else {
      site = {kNoSite, 0, site.misses};
    }
  }
  sites_filled = kept;
  if (kept == 0) replaced_.fill(0);
}

bool ShadowTlb::is_global(LinearAddr page) const {
  const size_t where = slot(page);
  const u64 tag = tag_for(page, 1);
  return (read_tags[where] == tag || write_tags[where] == tag) && (state_[where] & kIsGlobal) != 0;
}

void ShadowTlb::flush(bool keep_global) {
  drop_sites([&](LinearAddr page, const Site& site) {
    // A copy of the present entry, not of an earlier one of the same page.
    return keep_global && is_global(page) && addends[slot(page)] == site.addend;
  });
  for (const u16 slot : filled_[0]) {
    u8& state = state_[slot];
    if ((state & kIsGlobal) == 0) drop(slot);
    state = static_cast<u8>(state & ~kListedNonGlobal);
  }
  filled_[0].clear();
  if (keep_global) return;
  for (const u16 slot : filled_[1]) {
    drop(slot);
    state_[slot] = static_cast<u8>(state_[slot] & ~kListedGlobal);
  }
  filled_[1].clear();
}

void ShadowTlb::flush_range(LinearAddr first, u64 size) {
  drop_sites([&](LinearAddr page, const Site&) { return page.value - first.page().value >= size; });
  const u64 pages = size >> kPageShift;
  if (pages > kEntries) {
    // The number of no page, minus kInvalid, is in no range.
    const auto covers = [&](u64 number) { return number - first.page_number() < pages; };
    for (size_t slot = 0; slot < kEntries; ++slot) {
      if (covers(-read_tags[slot])) read_tags[slot] = kInvalid;
      if (covers(-write_tags[slot])) write_tags[slot] = kInvalid;
      if (fetch_pages[slot] - first.page().value < size) drop(kEntries + slot);
    }
    return;
  }
  for (u64 i = 0; i < pages; ++i) {
    const LinearAddr page = first.page() + (i << kPageShift);
    const size_t where = slot(page);
    const u64 tag = tag_for(page, 1);
    if (read_tags[where] == tag) read_tags[where] = kInvalid;
    if (write_tags[where] == tag) write_tags[where] = kInvalid;
    if (fetch_pages[fetch_slot(page)] == page.value) drop(kEntries + fetch_slot(page));
  }
}

void ShadowTlb::revoke_writes(const u8* host_page) {
  const u64 host = reinterpret_cast<u64>(host_page);
  const size_t place = write_place(host);
  bool sites_may_know = (replaced_[place / 64] >> (place % 64) & 1) != 0;
  for (u16 slot = write_chains_[place]; slot != kNoSlot; slot = next_in_chain_[slot]) {
    if (write_tags[slot] == kInvalid || host_behind(slot) != host) continue;
    write_tags[slot] = kInvalid;
    sites_may_know = true;
  }
  if (!sites_may_know || sites_filled == 0) return;
  for (size_t i = 1; i < kSites; i += 2) {
    Site& site = sites[i];
    if (site.addend - site.minus_page != host) continue;
    site.minus_page = kNoSite;
    site.addend = 0;
  }
}

// A slot stays in the chain of its last host page for stores until it gets another.
void ShadowTlb::join_chain(size_t slot, u64 host_page) {
  const u16 place = static_cast<u16>(write_place(host_page));
  if (chain_of_[slot] == place) return;
  if (chain_of_[slot] != kNoSlot) {
    u16* link = &write_chains_[chain_of_[slot]];
    while (*link != slot) link = &next_in_chain_[*link];
    *link = next_in_chain_[slot];
  }
  chain_of_[slot] = place;
  next_in_chain_[slot] = write_chains_[place];
  write_chains_[place] = static_cast<u16>(slot);
}

void ShadowTlb::set_index(const TlbIndex& wanted) {
  flush(false);
  index = wanted;
  index_mask = wanted.mask();
  low_mask_ = (u64{1} << wanted.low_bits) - 1;
  high_mask_ = (kEntries - 1) & ~low_mask_;
  high_shift_ = wanted.high_shift - wanted.low_bits;
}

}  // namespace doppel::mmu
