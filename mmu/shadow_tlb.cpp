#include "mmu/shadow_tlb.h"

#include <algorithm>
#include <bit>
#include <bitset>
#include <unordered_set>
#include <utility>

namespace doppel::mmu {

ShadowTlb::ShadowTlb() {
  write_chains_.fill(kNoSlot);
  chain_of_.fill(kNoSlot);
  std::fill_n(read_tags, kEntries, kInvalid);
  std::fill_n(write_tags, kEntries, kInvalid);
  std::fill_n(fetch_pages, kEntries, kNoPage);
  // Filling never allocates.
  for (auto& list : filled_) list.reserve(kSlots);
  runs[0] = {0, 0, kPageSize, kPageMask};
}

void ShadowTlb::list(size_t slot, bool global) {
  u8& state = state_[slot];
  const u8 listed = global ? kListedGlobal : kListedNonGlobal;
  if ((state & listed) == 0) filled_[global].push_back(static_cast<u16>(slot));
  state = static_cast<u8>((state & ~kIsGlobal) | listed | (global ? kIsGlobal : 0));
}

void ShadowTlb::drop(size_t slot) {
  if (slot < kEntries) {
    end_runs(slot, Kind::LoadsAndStores);
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

  const bool is_same = (tag == wanted || other == wanted) && addends[where] == addend;
  // Copies that were seen to be global are not looked at again.
  const bool becomes_local = !global && (state_[where] & kIsGlobal) != 0;
  if (!is_same || becomes_local) drop_copies(where, Kind::LoadsAndStores);
  u64 evicted = kInvalid;
  if (tag != wanted && tag != kInvalid) evicted = tag;
  if (other != wanted && other != kInvalid) evicted = other;
  if (evicted != kInvalid) evicted_host = addends[where] - (evicted << kPageShift);
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
  fetch_physical[where] = physical.value;
  fetch_ids[where] = id;
}

void ShadowTlb::flush(bool keep_global) {
  if (keep_global) drop_non_global_copies();
  else drop_all_copies();
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
  // The number of no page, minus kInvalid, is in no range.
  const u64 pages = size >> kPageShift;
  const auto drop_data_in = [&](size_t where) {
    const auto covers = [&](u64 tag) { return -tag - first.page_number() < pages; };
    if (!covers(read_tags[where]) && !covers(write_tags[where])) return;
    drop_copies(where, Kind::LoadsAndStores);
    drop(where);
  };
  if (pages > kEntries) {
    for (size_t slot = 0; slot < kEntries; ++slot) {
      drop_data_in(slot);
      if (fetch_pages[slot] - first.page().value < size) drop(kEntries + slot);
    }
    return;
  }
  for (u64 i = 0; i < pages; ++i) {
    const LinearAddr page = first.page() + (i << kPageShift);
    drop_data_in(slot(page));
    if (fetch_pages[fetch_slot(page)] == page.value) drop(kEntries + fetch_slot(page));
  }
}

void ShadowTlb::revoke_writes(const u8* host_page) {
  const u64 host = reinterpret_cast<u64>(host_page);
  for (u16 slot = write_chains_[write_place(host)]; slot != kNoSlot; slot = next_in_chain_[slot]) {
    if (write_tags[slot] == kInvalid || host_behind(slot) != host) continue;
    drop_copies(slot, Kind::Stores);
    write_tags[slot] = kInvalid;
  }
}

// ---- copies -------------------------------------------------------------------------------------

void ShadowTlb::drop_all_copies() {
  if (has_lost_copies()) {
    for (Site& site : sites) drop_site(site);
  } else {
    for (u64 number = copies_made; number != copies_forgotten_; --number) {
      drop_site(sites[copies[number % kCopies].site / sizeof(Site)]);
    }
  }
  copies_forgotten_ = copies_checked_ = copies_made;
}

void ShadowTlb::drop_copies(size_t slot, Kind kind) {
  drop_chain(slot, kind);
  end_runs(slot, kind);
}

void ShadowTlb::drop_chain(size_t chain, Kind kind) {
  if (has_lost_copies()) return drop_all_copies();
  // From the newest to the first that is forgotten. Numbers wrap in 32 bits: ages are compared.
  const u32 end = static_cast<u32>(copies_made);
  const u32 forgotten = static_cast<u32>(copies_made - copies_forgotten_);
  u32 number = newest_copy[chain];
  while (end - number < forgotten) {
    const Copy copy = copies[number % kCopies];
    const size_t which = copy.site / sizeof(Site);
    Site& site = sites[which];
    // It may have gone elsewhere since.
    const bool is_here = site.minus_begin != kNoSite && site.chain == chain;
    if (is_here && (kind == Kind::LoadsAndStores || which % 2 != 0)) drop_site(site);
    if (end - copy.before <= end - number) break;  // A number from before they wrapped.
    number = copy.before;
  }
  if (kind == Kind::LoadsAndStores) newest_copy[chain] = static_cast<u32>(copies_forgotten_);
}

/// Most processes share their kernel's pages, so most copies stay: only those made since the last time are looked at.
void ShadowTlb::drop_non_global_copies() {
  if (has_lost_copies()) return drop_all_copies();
  for (u64 number = copies_checked_ + 1; number <= copies_made; ++number) {
    Site& site = sites[copies[number % kCopies].site / sizeof(Site)];
    if (site.minus_begin == kNoSite) continue;
    // The runs of pages that go end with them.
    if ((state_[slot(LinearAddr(-site.minus_begin))] & kIsGlobal) == 0) drop_site(site);
  }
  copies_checked_ = copies_made;
  if (copies_made - copies_forgotten_ > kCopies / 2) list_copies_anew();
}

/// Each site once, so that the ring has room again.
void ShadowTlb::list_copies_anew() {
  std::bitset<kSites> listed;
  const u64 end = copies_made;
  for (u64 number = copies_forgotten_ + 1; number <= end; ++number) {
    const u32 offset = copies[number % kCopies].site;
    const size_t which = offset / sizeof(Site);
    const Site& site = sites[which];
    if (site.minus_begin == kNoSite || listed[which]) continue;
    listed.set(which);
    // Its new place in the ring has been read: no more are listed than were.
    ++copies_made;
    u32& newest = newest_copy[site.chain];
    copies[copies_made % kCopies] = {offset, newest};
    newest = static_cast<u32>(copies_made);
  }
  copies_forgotten_ = end;
  copies_checked_ = copies_made;
}

void ShadowTlb::begin_site(size_t number, Bound kind, unsigned size) {
  const bool is_limit = kind == Bound::Limit;
  const u64 bound = is_limit ? runs[0].bytes - size : runs[0].mask;
  sites[number] = {kNoSite, 0, bound, 0, 0, static_cast<i16>(is_limit ? -static_cast<i32>(size) : 0)};
}

// ---- runs ---------------------------------------------------------------------------------------

bool ShadowTlb::is_here(Access access, u64 page) const {
  return tags_for(access)[slot(LinearAddr(page))] == tag_for(LinearAddr(page), 1);
}

/// From the page on in both directions, as far as one says so, but not around the end of addresses: the first page and the
/// last.
template <class Continues>
std::pair<u64, u64> ShadowTlb::spread(u64 page, Continues&& continues) const {
  u64 first = page;
  u64 last = page;
  while (first != 0 && continues(first - kPageSize)) first -= kPageSize;
  while (last != kPageMask && continues(last + kPageSize)) last += kPageSize;
  return {first, last};
}

u64 ShadowTlb::join(Access access, LinearAddr address) {
  const u64 page = address.page().value;
  if (!is_here(access, page)) return 0;
  const u64 addend = addends[slot(address)];
  const auto [first, last] = spread(page, [&](u64 each) {
    return is_here(access, each) && addends[slot(LinearAddr(each))] == addend;
  });
  const u64 bytes = last - first + kPageSize;
  auto& numbers = run_of[access == Access::Write];
  if (first == last || runs[numbers[slot(address)]].bytes == bytes) return bytes;
  if (runs[next_run_].bytes != 0) end_run(next_run_);
  for (u64 offset = 0; offset != bytes; offset += kPageSize) {
    const size_t where = slot(LinearAddr(first + offset));
    if (numbers[where] != 0) end_run(numbers[where]);
    numbers[where] = next_run_;
    state_[where] |= kInRun;
  }
  const u64 block = std::bit_floor(bytes);
  runs[next_run_] = {-first, -first - (bytes - block), bytes, -block};
  next_run_ = static_cast<u16>(next_run_ % (kRuns - 1) + 1);
  return bytes;
}

std::vector<u8*> ShadowTlb::neighbours(Access access, LinearAddr address, size_t most) const {
  std::vector<u8*> found;
  const u64 page = address.page().value;
  if (!is_here(access, page)) return found;
  std::unordered_set<u64> seen;
  const auto host = [&](u64 each) { return each + addends[slot(LinearAddr(each))]; };
  seen.insert(host(page));
  const auto [first, last] = spread(page, [&](u64 each) {
    return seen.size() <= most && is_here(access, each) && seen.insert(host(each)).second;
  });
  if (seen.size() > most) return found;
  for (u64 offset = 0; offset <= last - first; offset += kPageSize) found.push_back(reinterpret_cast<u8*>(host(first + offset)));
  return found;
}

void ShadowTlb::follow(const FrameMoves& moves) {
  for (size_t where = 0; where < kEntries; ++where) {
    if (fetch_pages[where] != kNoPage) {
      fetch_hosts[where] = reinterpret_cast<const u8*>(moves.follow(reinterpret_cast<u64>(fetch_hosts[where])));
    }
    const u64 tag = read_tags[where] != kInvalid ? read_tags[where] : write_tags[where];
    if (tag == kInvalid) continue;
    const u64 host = addends[where] - (tag << kPageShift);
    const u64 moved = moves.follow(host);
    if (moved == host) continue;
    drop_copies(where, Kind::LoadsAndStores);
    addends[where] += moved - host;
    if (write_tags[where] != kInvalid) join_chain(where, moved);
  }
}

void ShadowTlb::end_runs(size_t slot, Kind kind) {
  if ((state_[slot] & kInRun) == 0) return;
  if (run_of[1][slot] != 0) end_run(run_of[1][slot]);
  if (kind == Kind::LoadsAndStores && run_of[0][slot] != 0) end_run(run_of[0][slot]);
  if (run_of[0][slot] == 0) state_[slot] = static_cast<u8>(state_[slot] & ~kInRun);
}

void ShadowTlb::end_run(u16 number) {
  drop_chain(kEntries + number, Kind::LoadsAndStores);
  Run& run = runs[number];
  for (u64 offset = 0; offset != run.bytes; offset += kPageSize) {
    const size_t where = slot(LinearAddr(offset - run.minus_begin));
    for (auto& numbers : run_of) {
      if (numbers[where] == number) numbers[where] = 0;
    }
  }
  run.bytes = 0;
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
  drop_all_copies();
  // They stay listed: a slot may be, where it does not belong.
  for (size_t where = 0; where < kEntries; ++where) drop(where);
  index = wanted;
  index_mask = wanted.mask();
  low_mask_ = (u64{1} << wanted.low_bits) - 1;
  high_mask_ = (kEntries - 1) & ~low_mask_;
  high_shift_ = wanted.high_shift - wanted.low_bits;
}

}  // namespace doppel::mmu
