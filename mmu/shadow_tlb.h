#pragma once

// The shadow TLB: the table that engines look in before anything else.
//
// Direct-mapped, 4096 entries of 16 bytes for each kind of access, so that a permission is part of
// the tag and a hit is one compare. The page-crossing test is folded in: the tag compared is the
// page of the access's *last* byte, the slot is chosen by its first. The index is hashed, because
// two buffers a table size apart would otherwise evict each other for ever. The hash must give
// neighbouring pages different slots (the last page and the first are neighbours too): an access
// that starts in one page would else hit the entry of the next and reach below its frame.
// A list of filled slots makes a flush cost what was filled.
//
// Layout is an ABI with generated code: entries stand at fixed offsets.

#include <array>
#include <vector>

#include "cpu/arch/paging.h"
#include "cpu/base/address.h"

namespace doppel::mmu {

class ShadowTlb {
 public:
  static constexpr unsigned kIndexBits = 12;
  static constexpr size_t kEntries = size_t{1} << kIndexBits;

  struct Entry {
    u64 tag = kInvalid;  ///< Linear page; kInvalid never equals a page.
    u64 addend = 0;      ///< Host address minus linear address.
  };
  static constexpr u64 kInvalid = ~u64{0};

  static constexpr size_t index(LinearAddr address) {
    const u64 page = address.value >> kPageShift;
    return (page + (page >> kIndexBits)) & (kEntries - 1);
  }
  static constexpr u64 tag_for(LinearAddr address, size_t size) {
    return (address.value + size - 1) & kPageMask;
  }

  const Entry& slot(Access access, LinearAddr address) const {
    return entries_[static_cast<size_t>(access)][index(address)];
  }

  ShadowTlb();

  /// `physical` is remembered for Fetch only. @see fetch_page
  void fill(Access access, LinearAddr page, u8* host_page, bool global, PhysAddr physical = {});
  /// The physical page behind the Fetch slot of a hit.
  PhysAddr fetch_page(LinearAddr address) const { return fetch_pages_[index(address)]; }
  /// Drops every entry (or every non-global one).
  void flush(bool keep_global);
  /// Drops what covers [first, first + size): a page or a large page.
  void flush_range(LinearAddr first, u64 size);
  /// Drops entries for stores that lead to this host page: it became tracked.
  void revoke_writes(const u8* host_page);

  /// Slots listed for the next flush: at least those that are filled.
  size_t filled() const { return filled_[0].size() + filled_[1].size(); }

 private:
  static constexpr size_t kSlots = 3 * kEntries;
  static constexpr u64 filter_bit(u64 host_page) {
    return (host_page >> kPageShift) * 0x9e37'79b9'7f4a'7c15 >> 52;
  }

  Entry entries_[3][kEntries];
  PhysAddr fetch_pages_[kEntries];
  // Filled slots (access * kEntries + index), those of non-global entries apart from global ones:
  // a CR3 write pays for the former only. A slot may be listed where it no longer belongs;
  // is_global_ decides.
  std::vector<u16> filled_[2];
  bool is_global_[kSlots] = {};
  // A set bit for every host page that a Write entry was filled for since the last full flush.
  std::array<u64, 64> written_pages_{};
};

}  // namespace doppel::mmu
