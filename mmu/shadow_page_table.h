#pragma once

// Shadow page tables: what walks of the guest's page tables found, kept true.
//
// A walk that succeeded is remembered under its address space (root table and mode) and linear page,
// so that the next miss of the shadow TLB needs no walk, and a switch back to an address space finds
// what was known of it. The pages of guest memory that the walk came through are write-tracked: a
// store to an entry drops the translations that came through this entry. So this table is always
// what the guest's tables say now; that a TLB may be staler is the shadow TLB's business.
//
//     (space, linear page) -> Remembered -- leaf entry ----> TablePage (a page of guest tables)
//                                                              entry -> chain of Remembered
//                                                              entry -> TablePage of the next level
//
// A store to a leaf drops its chain; a store to an upper entry drops all below it. The root of a
// space is not linked to what is below: kernels hang one set of tables under every root, and the end
// of one process must not forget the kernel of all. A store to a used entry of a root retires its
// space, which costs nothing: what carries its number is never found again.
//
// Tracked stores are slow. A page that gets many in a short while is let go: what came through it is
// forgotten, and nothing is remembered through it for some time. "Time" is counted in lookups and
// stores, so that runs repeat.

#include <array>
#include <memory>
#include <unordered_map>
#include <vector>

#include "mmu/page_walker.h"
#include "mmu/physical_memory.h"

namespace doppel::mmu {

class ShadowPageTable {
 public:
  static constexpr size_t kMostTranslations = size_t{1} << 16;
  static constexpr size_t kMostTablePages = 1536;
  static constexpr size_t kMostSpaces = 64;
  /// This many stores within so many lookups and stores are a storm; a page that saw one is left
  /// alone for a longer while.
  static constexpr u32 kStormStores = 64;
  static constexpr u64 kStormTime = 1024;
  static constexpr u64 kCalmTime = 16384;

  explicit ShadowPageTable(PhysicalMemory& memory);
  ~ShadowPageTable();
  ShadowPageTable(const ShadowPageTable&) = delete;
  ShadowPageTable& operator=(const ShadowPageTable&) = delete;

  /// The address space that find and remember mean from now on; what was known of it is found again.
  void enter(const PagingContext& context);
  /// What a walk of `address` would find, rights aside, or null. Accessed bits are set all the way;
  /// a store needs `dirty`. The pointer is good until the next call.
  const Translation* find(LinearAddr address);
  /// A walk found `found` through these entries, the root's first. Starts to track their pages.
  void remember(LinearAddr address, const Translation& found, const WalkPath& path);
  /// The walker set D in this entry. remember() says so too.
  void became_dirty(PhysAddr leaf);
  /// A store to a tracked page. The walker's own, of A and D bits, are not to be told.
  void wrote(PhysAddr address, u64 size);
  /// Memory itself may be another: drops all and tracks nothing.
  void clear();

  /// Translations (or, where a root was changed, spaces) dropped because guest tables changed.
  u64 drops() const { return drops_; }
  /// Grows with every page that becomes tracked: host addresses for stores got before may bypass it.
  u64 trackings() const { return trackings_; }
  size_t translations() const { return live_; }
  size_t table_pages() const { return page_index_.size(); }

 private:
  static constexpr u32 kNone = ~u32{0};
  static constexpr u16 kNoPage = 0xffff;
  static constexpr u64 kNoNumber = ~u64{0};
  static constexpr size_t kBuckets = kMostTranslations;
  static constexpr unsigned kGranules = 512;  // 8 bytes each: one wide entry or two narrow ones.

  struct Remembered {
    u64 linear = 0;           // First address of the page, large ones included.
    Translation translation;  // Its first 4 KiB.
    u32 space = 0;            // 0: free.
    u16 table = kNoPage;      // Where its leaf entry is,
    u16 entry = 0;            // and where in it, in 4-byte units.
    u32 next = kNone;         // The chain of the leaf entry's granule.
    u32 previous = kNone;
    u32 bucket_next = kNone;
  };
  struct TablePage {
    u64 number = kNoNumber;  // Physical page number; kNoNumber: free.
    bool is_tracked = false;
    u32 stores = 0;        // In the present stretch of time.
    u64 stretch_start = 0;
    u64 calm_from = 0;     // Nothing is remembered through it before.
    std::array<u64, kGranules / 64> used{};       // Leaf chains or children.
    std::array<u64, kGranules / 64> root_used{};  // Spaces with this root came through.
    std::array<u32, kGranules> leaves;
    std::array<u16, 2 * kGranules> children;  // By 4-byte unit.
    bool in_use() const;
    bool is_childless(unsigned granule) const {
      return children[2 * granule] == kNoPage && children[2 * granule + 1] == kNoPage;
    }
  };
  struct SpaceKey {
    PagingMode mode = PagingMode::None;
    u8 bits = 0;               // Control bits that change what entries mean.
    std::array<u64, 4> roots{};  // CR3's table, or PAE's four registers.
    friend bool operator==(const SpaceKey&, const SpaceKey&) = default;
  };
  struct Space {
    SpaceKey key;
    u32 id = 0;  // 0: retired.
    u64 last_used = 0;
  };

  SpaceKey key_of(const PagingContext& context) const;
  u64 root_page() const;
  void take_space();
  void retire_roots(u64 number);
  bool is_alive(u32 id) const;

  static size_t bucket_of(u32 space, u64 linear);
  u32 lookup(u64 linear, u64 page_size) const;
  void set_dirty(const TablePage& page, unsigned unit);
  void insert(u64 linear, const Translation& found, u16 table, unsigned unit);
  void erase(u32 index);

  u16 page_of(u64 number) const;
  u16 take_page(u64 number);
  void free_page(u16 index);
  void unlink(TablePage& page, unsigned first, unsigned last);
  void drop(u16 page, unsigned first, unsigned last);
  void let_go(u16 index);

  bool has_room() const;
  void make_room();
  void free_unused_pages();

  PhysicalMemory& memory_;
  std::vector<Remembered> entries_;
  std::vector<u32> buckets_;
  u32 free_ = kNone;  // Through bucket_next.
  size_t live_ = 0;
  std::array<u32, 4> by_size_{};  // How many of each of kShifts.
  std::vector<std::unique_ptr<TablePage>> pages_;
  std::vector<u16> free_pages_;
  std::unordered_map<u64, u16> page_index_;
  mutable std::array<u16, 256> page_cache_;  // By number: page_index_ is asked rarely.
  std::vector<u16> pending_;                 // drop's work list.
  std::vector<Space> spaces_;
  SpaceKey key_;       // The present space's,
  u32 space_ = 0;      // its number; 0: paging is off, or nothing was remembered in it yet,
  bool a20_ = true;    // and what it was entered with.
  u32 last_space_ = 0;
  Translation found_;
  u64 clock_ = 0;
  u64 drops_ = 0;
  u64 trackings_ = 0;
};

}  // namespace doppel::mmu
