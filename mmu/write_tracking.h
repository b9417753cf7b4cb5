#pragma once

// Who wants to know about stores to a guest-physical page, and why.
//
// One mechanism, several clients: decoded or translated code, guest page tables, shared frames,
// dirty logging, watchpoints, video memory. A tracked page is simply never writable in the shadow
// TLB, so its stores take the slow path, and the slow path asks here. DMA goes through the same
// door.
//
// Code is tracked per 64-byte line, so that data beside code costs a slow store, not a lost block. Where such
// stores become many the code is lost after all: it may be long dead. If it comes back it is given more of them.

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "cpu/arch/paging.h"
#include "cpu/base/address.h"

namespace doppel::mmu {

enum class TrackReason : u8 { Code, PageTable, CopyOnWrite, DirtyLog, Watchpoint, Display };
inline constexpr unsigned kTrackReasons = 6;

class WriteTracking {
 public:
  static constexpr unsigned kLineShift = 6;

  /// Told before the bytes change (`before` clients may fix the page) or after. `size` never
  /// crosses a page.
  using Observer = std::function<void(PhysAddr address, u64 size)>;
  /// The one observer for a reason; set once by the part that owns it.
  void set_observer(TrackReason reason, Observer observer);

  /// Code only: asked whether anything alive was made of these bytes, which lie in one page and in lines with code. May say
  /// yes too often.
  using CodeQuery = std::function<bool(PhysAddr address, u64 size)>;
  void set_code_query(CodeQuery query) { code_query_ = std::move(query); }

  /// Starts tracking a page. The caller must then drop its writable entries from every shadow TLB
  /// (`set_protect_hook` does that for the machine's CPUs).
  void track(PhysAddr page, TrackReason reason);
  void untrack(PhysAddr page, TrackReason reason);
  /// Code only: marks the 64-byte lines of [address, +size), which lies in one page, and tracks the
  /// page.
  void track_code(PhysAddr address, u64 size);
  /// Code only: forgets the lines of a page and stops tracking it for code.
  void untrack_code(PhysAddr page);
  /// The 64-byte lines of [address, +size), which lies in one page: bit n for line n.
  static u64 lines_of(PhysAddr address, u64 size) {
    if (size == 0) return 0;
    const u64 first = address.page_offset() >> kLineShift;
    const u64 end = std::min(address.page_offset() + size - 1, kPageOffsetMask);
    return (~u64{0} >> (63 - (end >> kLineShift))) & (~u64{0} << first);
  }
  /// Code only: these lines of a tracked page hold code now, others do not any more. None: untrack_code.
  void set_code_lines(PhysAddr page, u64 lines);

  bool is_tracked(PhysAddr address) const { return reasons(address.page_number()) != 0; }
  bool is_tracked_for(PhysAddr address, TrackReason reason) const {
    return (reasons(address.page_number()) >> static_cast<unsigned>(reason) & 1) != 0;
  }
  /// True if code is the one reason why the page is tracked.
  bool is_tracked_for_code_alone(PhysAddr address) const {
    return reasons(address.page_number()) == 1u << static_cast<unsigned>(TrackReason::Code);
  }
  /// True if a marked line is among [address, +size), which lies in one page.
  bool touches_code(PhysAddr address, u64 size) const;

  /// Whether a store to [address, +size), which lies in one page, concerns nobody: the page is tracked for code alone, and
  /// none was made of these bytes. It is counted; the one that is too many concerns code after all (`notify`).
  bool passes_beside_code(PhysAddr address, u64 size);

  /// Called by every store to a tracked page after the bytes changed. Code observers hear of it
  /// only if a line with code was touched, or of the whole page if this was one store beside its code too many.
  void notify(PhysAddr address, u64 size);

  /// Called with each page that becomes tracked, so that writable TLB entries for it go.
  void set_protect_hook(std::function<void(PhysAddr page)> hook) { protect_ = std::move(hook); }

 private:
  static constexpr u64 kGroupPages = 4096;
  /// Stores beside the code of a page before it is lost for the first time: they take about as long as
  /// translating a page's worth of code. Twice as many each time after that.
  static constexpr u32 kStoresBesideCode = 1024;
  static constexpr u8 kMostDoublings = 12;
  struct Group {
    std::array<u8, kGroupPages> reasons{};      // One bit a reason, by page number.
    std::array<u64, kGroupPages> code_lines{};  // Lines with code.
    std::array<u32, kGroupPages> beside{};      // Stores beside code since it was lost last,
    std::array<u8, kGroupPages> losses{};       // and how often that was.
  };

  const Group* find_group(u64 page) const {
    const u64 group = page / kGroupPages;
    return group < groups_.size() ? groups_[group].get() : nullptr;
  }
  u8 reasons(u64 page) const {
    const Group* const group = find_group(page);
    return group != nullptr ? group->reasons[page % kGroupPages] : u8{0};
  }
  Group& group_of(u64 page);
  bool is_one_too_many(PhysAddr address);

  std::vector<std::unique_ptr<Group>>
      groups_;  // In groups: ROM at 4 GiB must not cost a table for all below.
  std::array<Observer, kTrackReasons> observers_;
  CodeQuery code_query_;
  std::function<void(PhysAddr)> protect_;
};

}  // namespace doppel::mmu
