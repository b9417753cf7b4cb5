#include "mmu/shadow_page_table.h"

#include <algorithm>
#include <bit>

#include "cpu/arch/control.h"
#include "cpu/base/bits.h"

namespace doppel::mmu {

namespace {

// The sizes of pages: 4 KiB, 2 MiB, 4 MiB, 1 GiB.
constexpr std::array<unsigned, 4> kShifts = {12, 21, 22, 30};

size_t size_index(u64 page_size) {
  const unsigned shift = static_cast<unsigned>(std::countr_zero(page_size));
  return static_cast<size_t>(std::find(kShifts.begin(), kShifts.end(), shift) - kShifts.begin());
}

unsigned unit_of(PhysAddr entry) { return static_cast<unsigned>(entry.page_offset() / 4); }

bool test(const auto& bits, unsigned n) { return bit(bits[n / 64], n % 64); }
void set(auto& bits, unsigned n) { bits[n / 64] |= u64{1} << (n % 64); }
void reset(auto& bits, unsigned n) { bits[n / 64] &= ~(u64{1} << (n % 64)); }

bool any(const auto& bits) {
  return std::any_of(bits.begin(), bits.end(), [](u64 word) { return word != 0; });
}

}  // namespace

ShadowPageTable::ShadowPageTable(PhysicalMemory& memory)
    : memory_(memory), buckets_(kBuckets, kNone) {
  page_cache_.fill(kNoPage);
}

ShadowPageTable::~ShadowPageTable() { clear(); }

void ShadowPageTable::clear() {
  for (const auto& [number, index] : page_index_) {
    if (pages_[index]->is_tracked) {
      memory_.tracking().untrack(PhysAddr(number << kPageShift), TrackReason::PageTable);
    }
  }
  page_index_.clear();
  page_cache_.fill(kNoPage);
  pages_.clear();
  free_pages_.clear();
  if (live_ != 0) std::fill(buckets_.begin(), buckets_.end(), kNone);
  entries_.clear();
  free_ = kNone;
  live_ = 0;
  by_size_ = {};
  spaces_.clear();
  space_ = 0;
}

bool ShadowPageTable::TablePage::in_use() const { return any(used) || any(root_used); }

// ---- address spaces -----------------------------------------------------------------------------

ShadowPageTable::SpaceKey ShadowPageTable::key_of(const PagingContext& context) const {
  SpaceKey key;
  key.mode = paging_mode(context);
  if (key.mode == PagingMode::None) return key;
  key.bits = static_cast<u8>(((context.cr4 & cr4::PSE) != 0 ? 1 : 0) |
                             ((context.cr4 & cr4::PGE) != 0 ? 2 : 0) |
                             ((context.efer & efer::NXE) != 0 ? 4 : 0) | (memory_.a20() ? 8 : 0));
  if (key.mode == PagingMode::Pae) {
    std::copy_n(context.pdpte, 4, key.roots.begin());
  } else {
    const unsigned bits = key.mode == PagingMode::Bits32 ? 32 : kMaxPhysBits;
    key.roots[0] = context.cr3 & kPageMask & ((u64{1} << bits) - 1);
  }
  return key;
}

void ShadowPageTable::enter(const PagingContext& context) {
  key_ = key_of(context);
  a20_ = memory_.a20();
  space_ = 0;
  for (Space& space : spaces_) {
    if (space.id == 0 || space.key != key_) continue;
    space.last_used = clock_;
    space_ = space.id;
  }
}

// Number of the page that the walk begins in; PAE begins in registers.
u64 ShadowPageTable::root_page() const {
  if (key_.mode == PagingMode::Pae) return ~u64{0};
  return memory_.apply_a20(PhysAddr(key_.roots[0])).page_number();
}

void ShadowPageTable::take_space() {
  if (++last_space_ == 0) {
    clear();
    last_space_ = 1;
  }
  if (spaces_.size() < kMostSpaces) spaces_.emplace_back();
  const auto older = [](const Space& a, const Space& b) {
    return (a.id != 0) != (b.id != 0) ? a.id == 0 : a.last_used < b.last_used;
  };
  *std::min_element(spaces_.begin(), spaces_.end(), older) = {key_, last_space_, clock_};
  space_ = last_space_;
}

// Every space that begins in this page.
void ShadowPageTable::retire_roots(u64 number) {
  for (Space& space : spaces_) {
    if (space.id == 0 || space.key.mode == PagingMode::Pae) continue;
    const u64 root = space.key.roots[0] >> kPageShift;
    // With A20 off, two numbers name one page.
    if (root != number && (root & ~u64{0x100}) != number) continue;
    if (space.id == space_) space_ = 0;
    space.id = 0;
    ++drops_;
  }
}

// ---- finding ------------------------------------------------------------------------------------

size_t ShadowPageTable::bucket_of(u32 space, u64 linear) {
  return ((linear >> kPageShift) + u64{space} * 0x2545'f491'4f6c'dd1d) * 0x9e37'79b9'7f4a'7c15 >>
         (64 - std::countr_zero(kBuckets));
}

u32 ShadowPageTable::lookup(u64 linear, u64 page_size) const {
  for (u32 at = buckets_[bucket_of(space_, linear)]; at != kNone; at = entries_[at].bucket_next) {
    const Remembered& entry = entries_[at];
    if (entry.linear == linear && entry.space == space_ &&
        entry.translation.page_size == page_size) {
      return at;
    }
  }
  return kNone;
}

const Translation* ShadowPageTable::find(LinearAddr address) {
  ++clock_;
  if (space_ == 0 || a20_ != memory_.a20()) return nullptr;
  for (size_t size = 0; size < kShifts.size(); ++size) {
    if (by_size_[size] == 0) continue;
    const u64 page_size = u64{1} << kShifts[size];
    const u64 linear = align_down(address.value, page_size);
    const u32 at = lookup(linear, page_size);
    if (at == kNone) continue;
    found_ = entries_[at].translation;
    found_.page = found_.page + (address.page().value - linear);
    return &found_;
  }
  return nullptr;
}

// ---- remembering --------------------------------------------------------------------------------

u16 ShadowPageTable::page_of(u64 number) const {
  u16& cached = page_cache_[number % page_cache_.size()];
  if (cached < pages_.size() && pages_[cached]->number == number) return cached;
  const auto known = page_index_.find(number);
  if (known == page_index_.end()) return kNoPage;
  cached = known->second;
  return cached;
}

u16 ShadowPageTable::take_page(u64 number) {
  if (const u16 known = page_of(number); known != kNoPage) return known;
  u16 index;
  if (free_pages_.empty()) {
    index = static_cast<u16>(pages_.size());
    pages_.push_back(std::make_unique<TablePage>());
  } else {
    index = free_pages_.back();
    free_pages_.pop_back();
    *pages_[index] = TablePage();
  }
  TablePage& page = *pages_[index];
  page.number = number;
  page.leaves.fill(kNone);
  page.children.fill(kNoPage);
  page_index_[number] = index;
  return index;
}

void ShadowPageTable::free_page(u16 index) {
  TablePage& page = *pages_[index];
  if (page.is_tracked) {
    memory_.tracking().untrack(PhysAddr(page.number << kPageShift), TrackReason::PageTable);
    page.is_tracked = false;
  }
  page_index_.erase(page.number);
  page.number = kNoNumber;
  free_pages_.push_back(index);
}

void ShadowPageTable::remember(LinearAddr address, const Translation& found, const WalkPath& path) {
  if (key_.mode == PagingMode::None || path.empty() || a20_ != memory_.a20()) return;
  for (const PhysAddr entry : path) {
    // A table in ROM or registers cannot be tracked.
    if (memory_.pmap().lookup(entry).state != PageState::Present) return;
    const u16 known = page_of(entry.page_number());
    if (known != kNoPage && pages_[known]->calm_from > clock_) return;
  }
  if (!has_room()) make_room();
  if (space_ == 0) take_space();

  boost::container::static_vector<u16, 5> tables;
  for (const PhysAddr entry : path) tables.push_back(take_page(entry.page_number()));
  const bool begins_in_root = path[0].page_number() == root_page();
  const size_t first_link = begins_in_root ? 1 : 0;
  // What another use of the same bytes has left there goes first: that may unlink any of these.
  for (size_t i = first_link; i + 1 < path.size(); ++i) {
    const u16 child = pages_[tables[i]]->children[unit_of(path[i])];
    if (child == kNoPage || child == tables[i + 1]) continue;
    drop(tables[i], unit_of(path[i]) / 2, unit_of(path[i]) / 2);
  }
  for (size_t i = 0; i + 1 < path.size(); ++i) {
    TablePage& page = *pages_[tables[i]];
    const unsigned unit = unit_of(path[i]);
    if (i < first_link) {
      set(page.root_used, unit / 2);
    } else {
      set(page.used, unit / 2);
      page.children[unit] = tables[i + 1];
    }
  }
  insert(align_down(address.value, found.page_size), found, tables.back(), unit_of(path.back()));
  for (const u16 table : tables) {
    TablePage& page = *pages_[table];
    if (page.is_tracked) continue;
    page.is_tracked = true;
    page.stretch_start = clock_;
    page.stores = 0;
    memory_.tracking().track(PhysAddr(page.number << kPageShift), TrackReason::PageTable);
    ++trackings_;
  }
}

// For everyone who came through this entry.
void ShadowPageTable::set_dirty(const TablePage& page, unsigned unit) {
  for (u32 at = page.leaves[unit / 2]; at != kNone; at = entries_[at].next) {
    if (entries_[at].entry == unit) entries_[at].translation.dirty = true;
  }
}

void ShadowPageTable::became_dirty(PhysAddr leaf) {
  const u16 index = page_of(leaf.page_number());
  if (index != kNoPage) set_dirty(*pages_[index], unit_of(leaf));
}

void ShadowPageTable::insert(u64 linear, const Translation& found, u16 table, unsigned unit) {
  TablePage& page = *pages_[table];
  if (const u32 known = lookup(linear, found.page_size); known != kNone) erase(known);
  if (found.dirty) set_dirty(page, unit);

  u32 index = free_;
  if (index != kNone) {
    free_ = entries_[index].bucket_next;
  } else {
    index = static_cast<u32>(entries_.size());
    entries_.emplace_back();
  }
  Remembered& entry = entries_[index];
  entry.linear = linear;
  entry.translation = found;
  entry.translation.page = PhysAddr(align_down(found.page.value, found.page_size));
  entry.space = space_;
  entry.table = table;
  entry.entry = static_cast<u16>(unit);
  entry.previous = kNone;
  entry.next = page.leaves[unit / 2];
  if (entry.next != kNone) entries_[entry.next].previous = index;
  page.leaves[unit / 2] = index;
  set(page.used, unit / 2);
  u32& bucket = buckets_[bucket_of(space_, linear)];
  entry.bucket_next = bucket;
  bucket = index;
  ++by_size_[size_index(found.page_size)];
  ++live_;
}

void ShadowPageTable::erase(u32 index) {
  Remembered& entry = entries_[index];
  TablePage& page = *pages_[entry.table];
  const unsigned granule = entry.entry / 2u;
  if (entry.next != kNone) entries_[entry.next].previous = entry.previous;
  if (entry.previous != kNone) {
    entries_[entry.previous].next = entry.next;
  } else {
    page.leaves[granule] = entry.next;
    if (entry.next == kNone && page.is_childless(granule)) reset(page.used, granule);
  }
  u32* link = &buckets_[bucket_of(entry.space, entry.linear)];
  while (*link != index) link = &entries_[*link].bucket_next;
  *link = entry.bucket_next;
  --by_size_[size_index(entry.translation.page_size)];
  --live_;
  entry.space = 0;
  entry.bucket_next = free_;
  free_ = index;
}

// ---- dropping -----------------------------------------------------------------------------------

void ShadowPageTable::unlink(TablePage& page, unsigned first, unsigned last) {
  for (unsigned granule = first; granule <= last; ++granule) {
    if (!test(page.used, granule)) continue;
    while (page.leaves[granule] != kNone) {
      erase(page.leaves[granule]);
      ++drops_;
    }
    for (unsigned unit = 2 * granule; unit < 2 * granule + 2; ++unit) {
      if (page.children[unit] == kNoPage) continue;
      pending_.push_back(page.children[unit]);
      page.children[unit] = kNoPage;
    }
    reset(page.used, granule);
  }
}

// Tables may form a circle (guests map them by themselves): each page is unlinked before its
// children are looked at, so that the second time there is nothing.
void ShadowPageTable::drop(u16 page, unsigned first, unsigned last) {
  unlink(*pages_[page], first, last);
  while (!pending_.empty()) {
    TablePage& child = *pages_[pending_.back()];
    pending_.pop_back();
    if (any(child.used)) unlink(child, 0, kGranules - 1);
  }
}

void ShadowPageTable::let_go(u16 index) {
  TablePage& page = *pages_[index];
  if (any(page.root_used)) retire_roots(page.number);
  page.root_used = {};
  drop(index, 0, kGranules - 1);
  memory_.tracking().untrack(PhysAddr(page.number << kPageShift), TrackReason::PageTable);
  page.is_tracked = false;
  page.calm_from = clock_ + kCalmTime;
}

void ShadowPageTable::wrote(PhysAddr address, u64 size) {
  ++clock_;
  const u16 index = page_of(address.page_number());
  if (index == kNoPage || !pages_[index]->is_tracked || size == 0) return;
  TablePage& page = *pages_[index];
  if (!page.in_use()) {
    // No table any more, it seems.
    free_page(index);
    return;
  }
  if (clock_ - page.stretch_start > kStormTime) {
    page.stretch_start = clock_;
    page.stores = 0;
  }
  if (++page.stores >= kStormStores) {
    let_go(index);
    return;
  }
  const unsigned first = static_cast<unsigned>(address.page_offset() / 8);
  const unsigned last = static_cast<unsigned>((address.page_offset() + size - 1) / 8);
  for (unsigned granule = first; granule <= last; ++granule) {
    if (!test(page.root_used, granule)) continue;
    page.root_used = {};
    retire_roots(page.number);
  }
  drop(index, first, last);
}

// ---- room ---------------------------------------------------------------------------------------

bool ShadowPageTable::has_room() const {
  const size_t pages_left = kMostTablePages - (pages_.size() - free_pages_.size());
  return pages_left >= 5 && live_ < kMostTranslations;
}

bool ShadowPageTable::is_alive(u32 id) const {
  return std::any_of(spaces_.begin(), spaces_.end(),
                     [id](const Space& space) { return space.id == id; });
}

void ShadowPageTable::make_room() {
  // The older half of the spaces, and what retired ones left behind.
  std::vector<u64> ages;
  for (const Space& space : spaces_) {
    if (space.id != 0) ages.push_back(space.last_used);
  }
  if (!ages.empty()) {
    const auto middle = ages.begin() + static_cast<std::ptrdiff_t>(ages.size() / 2);
    std::nth_element(ages.begin(), middle, ages.end());
    for (Space& space : spaces_) {
      if (space.last_used < *middle && space.id != space_) space.id = 0;
    }
  }
  for (u32 i = 0; i < entries_.size(); ++i) {
    if (entries_[i].space != 0 && !is_alive(entries_[i].space)) erase(i);
  }
  free_unused_pages();
  const size_t pages_left = kMostTablePages - (pages_.size() - free_pages_.size());
  if (pages_left < kMostTablePages / 8 || live_ > kMostTranslations / 8 * 7) clear();
}

void ShadowPageTable::free_unused_pages() {
  for (const auto& page : pages_) {
    const auto begins_here = [&](const Space& space) {
      return space.id != 0 && space.key.mode != PagingMode::Pae &&
             memory_.apply_a20(PhysAddr(space.key.roots[0])).page_number() == page->number;
    };
    if (any(page->root_used) && std::none_of(spaces_.begin(), spaces_.end(), begins_here)) {
      page->root_used = {};
    }
  }
  // From the leaves up: a level each time.
  for (unsigned level = 0; level < 5; ++level) {
    for (const auto& page : pages_) {
      for (unsigned granule = 0; granule < kGranules; ++granule) {
        if (!test(page->used, granule)) continue;
        for (unsigned unit = 2 * granule; unit < 2 * granule + 2; ++unit) {
          u16& child = page->children[unit];
          if (child != kNoPage && !any(pages_[child]->used)) child = kNoPage;
        }
        if (page->leaves[granule] == kNone && page->is_childless(granule)) {
          reset(page->used, granule);
        }
      }
    }
  }
  for (size_t i = 0; i < pages_.size(); ++i) {
    const TablePage& page = *pages_[i];
    if (page.number == kNoNumber || page.in_use() || page.calm_from > clock_) continue;
    free_page(static_cast<u16>(i));
  }
}

}  // namespace doppel::mmu
