#pragma once

// The shadow TLB: the table that engines look in before anything else.
//
// Direct-mapped, 4096 slots. Loads and stores have tags of their own and share one addend, so that a
// permission is part of the tag and a hit is one compare. The page-crossing test is folded in: the
// tag compared is the page of the access's *last* byte, the slot is chosen by its first. The slot is
// twelve bits of the address, picked by a mask that always holds bit 12 (neighbouring pages must
// never share a slot: an access that starts in one page would else hit the entry of the next and
// reach below its frame). Where two buffers keep evicting each other, the mask is changed to tell
// them apart (`Mmu` watches for that).
//
// Tags are stored negated: generated code adds the page number and tests for zero, which needs no
// flags. Fetches have a table of their own with a fixed index, and an id for what they lead to: a
// jump to another page is good while the id in that page's slot is the one it was made with.
//
// Lists of filled slots make a flush cost what was filled.
//
// The arrays are an ABI with generated code. What only counts where something else says so is not set up at first: a
// process that only just starts would pay for a thousand pages.

#include <array>
#include <bit>
#include <utility>
#include <vector>

#include "cpu/arch/paging.h"
#include "cpu/base/address.h"
#include "mmu/frame_moves.h"

namespace doppel::mmu {

/// Which twelve bits of an address choose its slot: `low_bits` from bit 12 up, and the rest from
/// `high_shift` up.
struct TlbIndex {
  unsigned low_bits = 12;
  unsigned high_shift = 24;
  /// For PEXT: the same choice.
  constexpr u64 mask() const {
    const u64 low = ((u64{1} << low_bits) - 1) << 12;
    const u64 high = ((u64{1} << (12 - low_bits)) - 1) << high_shift;
    return low | high;
  }
  constexpr size_t slot(u64 address) const {
    const u64 low = (address >> 12) & ((u64{1} << low_bits) - 1);
    const u64 high = (address >> high_shift) & ((u64{1} << (12 - low_bits)) - 1);
    return low | (high << low_bits);
  }
  friend constexpr bool operator==(const TlbIndex&, const TlbIndex&) = default;
};

class ShadowTlb {
 public:
  static constexpr unsigned kIndexBits = 12;
  static constexpr size_t kEntries = size_t{1} << kIndexBits;
  /// No page number added to it gives zero.
  static constexpr u64 kInvalid = 1;

  /// The tag of an access: minus the number of the page that holds its last byte.
  static constexpr u64 tag_for(LinearAddr address, size_t size) {
    return -((address.value + size - 1) >> kPageShift);
  }

  /// As TlbIndex::slot, from what set_index has computed.
  size_t slot(LinearAddr address) const {
    return ((address.value >> kPageShift) & low_mask_) |
           ((address.value >> high_shift_) & high_mask_);
  }
  /// Host address of an access, or null. `access` is Read or Write.
  u8* find(Access access, LinearAddr address, size_t size) const {
    const size_t where = slot(address);
    if (tags_for(access)[where] != tag_for(address, size)) return nullptr;
    return reinterpret_cast<u8*>(address.value + addends[where]);
  }

  /// The slot of a fetch. Hashed: two programs a table size apart would else evict each other.
  static constexpr size_t fetch_slot(LinearAddr address) {
    const u64 page = address.value >> kPageShift;
    return (page + (page >> kIndexBits)) & (kEntries - 1);
  }

  ShadowTlb();

  /// Read or Write. A slot that held another page loses what it knew of it.
  /// @return the tag of a page that had to go, or kInvalid.
  u64 fill(Access access, LinearAddr page, u8* host_page, bool global);
  /// `id` names the pair of linear and physical page; 0: it has no name.
  void fill_fetch(LinearAddr page, const u8* host_page, bool global, PhysAddr physical, u32 id);
  /// Drops every entry (or every non-global one).
  void flush(bool keep_global);
  /// Drops what covers [first, first + size): a page or a large page.
  void flush_range(LinearAddr first, u64 size);
  /// Drops entries for stores that lead to this host page: it became tracked.
  void revoke_writes(const u8* host_page);
  /// Drops all entries for data; slots are chosen anew from now on.
  void set_index(const TlbIndex& wanted);

  /// Makes a run of the page and its neighbours, as far as they are here and follow each other on the host too. `access` is Read
  /// or Write. @return its bytes: a page's, if it stands alone, or 0 if it is not here.
  u64 join(Access access, LinearAddr address);

  /// The page and its neighbours as far as they are here too: their host addresses in order, each page of the host once. None if
  /// there are more than `most`.
  std::vector<u8*> neighbours(Access access, LinearAddr address, size_t most) const;
  /// Pages of the host have moved.
  void follow(const FrameMoves& moves);

  /// Slots listed for the next flush: at least those that are filled.
  size_t filled() const { return filled_[0].size() + filled_[1].size(); }

  // ---- what generated code reads -----------------------------------------------------------------

  static constexpr size_t kPageSites = 4096;
  static constexpr size_t kRunSites = 1024;
  static constexpr size_t kSites = kPageSites + kRunSites;
  /// No canonical address added to it gives an offset in a page. Others might: with an addend of 0 they
  /// fault on the host, too.
  static constexpr u64 kNoSite = u64{1} << 63;
  /// How generated code asks whether an access lies within what a site holds: is its distance from the beginning at most
  /// the bound, or are the bits of it that the bound has all clear?
  enum class Bound : u8 { Limit, Mask };
  /// What one place in generated code found last: a copy of an entry that needs no index, so that
  /// the address of the data does not wait for it. It goes with the entry, whatever becomes of that:
  /// an access that hits a copy must hit the table too, or the engine that has no copies would walk
  /// where this one does not. Even sites are for loads, odd ones for stores. Behind `kPageSites` stand those that may hold
  /// all entries of a run; their bounds depend on the access, so each is one place's alone.
  struct Site {
    u64 minus_begin;  ///< 0 - linear address of what it holds.
    u64 addend;
    u64 bound;       ///< Of sites for runs.
    u32 misses;      ///< How often the place went elsewhere.
    u16 chain;       ///< Whose copy it is: a slot's, or from kEntries on, a run's.
    i16 addition;    ///< What the size of the access adds to a limit, which is negative; 0: the bound is a mask.
  };
  /// Void until `begin_site`.
  alignas(64) Site sites[kSites];
  void begin_site(size_t number, Bound kind, unsigned size);
  static constexpr bool is_for_run(size_t number) { return number >= kPageSites; }
  /// What a site would hold of this page, which is here.
  u64 bytes_around(Access access, LinearAddr page) const { return runs[run_of[access == Access::Write][slot(page)]].bytes; }
  /// How much a site holds that is not empty.
  u64 bytes_of(const Site& site) const { return runs[site.chain < kEntries ? 0 : site.chain - kEntries].bytes; }

  /// Pages that follow each other, and their frames do as well: a copy may hold all of them. For loads, or for stores.
  /// Number 0 stands for a page alone.
  struct Run {
    u64 minus_begin;
    u64 minus_tail;  ///< Where the last `mask` begins.
    u64 bytes;
    u64 mask;        ///< Minus the greatest power of two that is not above `bytes`.
  };
  static constexpr size_t kRuns = 512;
  Run runs[kRuns] = {};
  u16 run_of[2][kEntries] = {};  ///< Of each slot, for loads and for stores.

  /// Copies in the order they were made, in a ring: which site, and the number of the copy made before
  /// in the same chain. Numbers count copies; the first is 1.
  static constexpr size_t kCopies = 4 * kPageSites;
  static_assert(std::has_single_bit(kCopies));
  struct Copy {
    u32 site;  ///< Distance from the first site.
    u32 before;
  };
  u64 copies_made = 0;
  Copy copies[kCopies];
  /// Number of the newest copy of each chain. Old ones may name copies that are forgotten.
  u32 newest_copy[kEntries + kRuns] = {};

  u64 index_mask = TlbIndex().mask();
  u64 read_tags[kEntries];
  u64 write_tags[kEntries];
  u64 addends[kEntries];         ///< Host address minus linear address, where a tag is valid.
  u32 fetch_ids[kEntries] = {};  ///< 0: nothing is there, or nothing that has a name.

  // ---- what C++ reads besides --------------------------------------------------------------------

  TlbIndex index;
  u64 fetch_pages[kEntries];  ///< Linear page address, or kNoPage.
  // Void where there is no page.
  const u8* fetch_hosts[kEntries];
  u64 fetch_physical[kEntries];

  static constexpr u64 kNoPage = ~u64{0};
  /// Host page of the entry for data that had to go last, for another page's.
  u64 evicted_host = 0;

 private:
  /// The ring has been overrun: which slots have copies is not known any more.
  bool has_lost_copies() const { return copies_made - copies_forgotten_ > kCopies; }
  void drop_all_copies();
  enum class Kind : u8 { Stores, LoadsAndStores };
  void drop_copies(size_t slot, Kind kind);
  void drop_chain(size_t chain, Kind kind);
  void end_runs(size_t slot, Kind kind);
  void end_run(u16 number);
  const u64* tags_for(Access access) const { return access == Access::Write ? write_tags : read_tags; }
  bool is_here(Access access, u64 page) const;
  template <class Continues>
  std::pair<u64, u64> spread(u64 page, Continues&& continues) const;
  void drop_non_global_copies();
  void list_copies_anew();
  static void drop_site(Site& site) {
    site.minus_begin = kNoSite;
    site.addend = 0;
  }

  /// Slots of loads and stores, then those of fetches.
  static constexpr size_t kSlots = 2 * kEntries;
  // Per slot: is it in a list, and does it belong there? May it be in a run?
  static constexpr u8 kListedNonGlobal = 1u << 0;
  static constexpr u8 kListedGlobal = 1u << 1;
  static constexpr u8 kIsGlobal = 1u << 2;
  static constexpr u8 kInRun = 1u << 3;

  static constexpr size_t write_place(u64 host_page) {
    return (host_page >> kPageShift) * 0x9e37'79b9'7f4a'7c15 >> (64 - kIndexBits);
  }
  static constexpr u16 kNoSlot = 0xffff;
  u64 host_behind(size_t slot) const { return addends[slot] - (write_tags[slot] << kPageShift); }
  void join_chain(size_t slot, u64 host_page);
  void list(size_t slot, bool global);
  void drop(size_t slot);

  u64 low_mask_ = kEntries - 1;
  u64 high_mask_ = 0;
  unsigned high_shift_ = kPageShift;
  // Filled slots, those of non-global entries apart from global ones: a CR3 write pays for the
  // former only. A slot may be listed where it no longer belongs; kIsGlobal decides.
  std::vector<u16> filled_[2];
  u8 state_[kSlots] = {};
  // Slots filled for stores, in chains by host page: a page that becomes tracked finds its own.
  std::array<u16, kEntries> write_chains_;
  std::array<u16, kEntries> chain_of_;
  std::array<u16, kEntries> next_in_chain_{};
  u64 copies_forgotten_ = 0;  // Copies up to this number have been dropped, or listed anew.
  u16 next_run_ = 1;          // Numbers are given in turn.
  u64 copies_checked_ = 0;    // Those up to this number that have not been dropped are of global entries.
};

}  // namespace doppel::mmu
