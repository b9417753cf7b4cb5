#pragma once

// Loads, stores and fetches at linear addresses: the inline hit, and the slow path behind it.
//
//     linear --(shadow TLB: inline compare)--> host address
//        miss -> walk the guest's tables, A/D bits         -> true fault (#PF), or
//             -> pmap: guest-physical page -> frame        -> hidden fault
//             -> refill, return
//
// One Mmu per processor. There is one shadow TLB for each class of privilege, so that a change of
// CPL, or of AC under SMAP, is a pointer change; alignment checking and data breakpoints switch to
// a table that stays empty, so that every access takes the slow path and is looked at.

#include <array>
#include <bit>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include <boost/container/static_vector.hpp>

#include "cpu/arch/control.h"
#include "cpu/arch/exception.h"
#include "cpu/arch/paging.h"
#include "cpu/base/address.h"
#include "cpu/base/archive.h"
#include "mmu/fetch_ids.h"
#include "mmu/page_walker.h"
#include "mmu/physical_memory.h"
#include "mmu/shadow_tlb.h"
#include "mmu/tlb_conflicts.h"

namespace doppel::mmu {

/// Counted since start. @see `info mmu`, docs/architecture.md "One page fault"
struct MmuCounters {
  u64 misses = 0;          ///< Accesses that left the inline path.
  u64 walks = 0;           ///< Guest page tables were walked.
  u64 hidden_faults = 0;   ///< Misses resolved without the guest knowing: a frame was allocated.
  u64 true_faults = 0;     ///< Delivered to the guest as #PF.
  u64 refills = 0;         ///< Shadow TLB entries written.
  u64 flushes = 0;         ///< Whole flushes (CR3, CR4, CR0, INVPCID).
  u64 page_flushes = 0;    ///< INVLPG and INVPCID of one address.
  u64 mmio = 0;            ///< Accesses that went to a device.
  u64 tracked_stores = 0;  ///< Stores to pages somebody watches.
  u64 index_changes = 0;   ///< The slots of the shadow TLB were chosen anew.
  u64 shadow_hits = 0;     ///< Misses that the shadow page tables answered without a walk.
  u64 shadow_drops = 0;    ///< Translations and spaces they forgot: the guest changed its tables.
};

/// How a miss of the shadow TLB finds its page.
enum class PagingScheme : u8 {
  Nested,  ///< The guest's tables are walked.
  Shadow,  ///< Shadow page tables are asked first.
  Check,   ///< Both, compared; the walk counts.
};

/// Raised by data accesses that touch an enabled data breakpoint (DR0-DR3). The MMU only collects.
struct DataBreakpoint {
  LinearAddr address;
  u8 length = 0;         ///< 0: slot off.
  bool on_read = false;  ///< R/W = 11b; else stores only.
};

/// Host memory open for a read-modify-write; see Mmu::open_for_update.
struct UpdateSlot {
  u8* host = nullptr;  ///< Direct; null: the store goes through the slow path.
  LinearAddr address;
};

/// What generated code may do after a miss; see Mmu::make_direct.
struct DirectAccess {
  bool hits = false;   ///< Try again.
  u8* once = nullptr;  ///< Or go there, this one time: a store beside the code of a page.
};

class ShadowPageTable;

class Mmu {
 public:
  /// Which of the shadow TLBs an access looks in.
  enum class PrivilegeClass : u8 {
    Supervisor,
    User,
    SupervisorAc,  ///< Supervisor with RFLAGS.AC, where SMAP is on.
    NeverFilled,   ///< Active while data breakpoints or alignment checks look at every access.
  };
  static constexpr size_t kPrivilegeClasses = 4;

  Mmu(PhysicalMemory& memory, unsigned linear_bits = 48);
  Mmu(const Mmu&) = delete;
  Mmu& operator=(const Mmu&) = delete;
  ~Mmu();

  // ---- the inline path -------------------------------------------------------------------------

  /// @errors #PF; #GP(0) for a non-canonical address (the caller turns it into #SS where the
  ///         segment was SS); #AC(0) when alignment checks are on.
  template <class T>
  Result<T> read(LinearAddr address) {
    T value;
    if (const u8* host = active_->find(Access::Read, address, sizeof(T))) [[likely]] {
      std::memcpy(&value, host, sizeof(T));
      return value;
    }
    DOPPEL_TRY(read_slow(address, &value, sizeof(T)));
    return value;
  }
  template <class T>
  Result<void> write(LinearAddr address, const T& value) {
    if (u8* host = active_->find(Access::Write, address, sizeof(T))) [[likely]] {
      std::memcpy(host, &value, sizeof(T));
      return {};
    }
    return write_slow(address, &value, sizeof(T));
  }
  /// Checks for a store of T at `address` and reads it: past this line nothing can fault.
  template <class T>
  Result<UpdateSlot> open_for_update(LinearAddr address, T& value) {
    if (u8* host = active_->find(Access::Write, address, sizeof(T))) [[likely]] {
      std::memcpy(&value, host, sizeof(T));
      return UpdateSlot{host, address};
    }
    return open_slow(address, &value, sizeof(T));
  }
  template <class T>
  void close_update(const UpdateSlot& slot, const T& value) {
    if (slot.host != nullptr) [[likely]] {
      std::memcpy(slot.host, &value, sizeof(T));
      return;
    }
    store_checked(slot.address, &value, sizeof(T));
  }

  // ---- any size, all or nothing ----------------------------------------------------------------

  /// Up to 64 KiB, may cross pages; on a fault nothing was transferred.
  Result<void> read_bytes(LinearAddr address, void* out, size_t size);
  Result<void> write_bytes(LinearAddr address, const void* bytes, size_t size);
  /// Would a store (or load) of these bytes succeed? Sets A/D bits as the access would.
  Result<void> probe(LinearAddr address, size_t size, Access access);
  /// Host address of a span that lies in one page and may be accessed freely until the next call
  /// into the Mmu (code in a span for stores is forgotten now); null if it must go byte by byte (MMIO, tracked, checks on) or faults. For string
  /// instructions.
  u8* direct_span(LinearAddr address, size_t size, Access access);
  /// For generated code's misses: makes [address, +size), which lies in one page, hit the active
  /// table for loads or stores, if the guest notices nothing but what such an access does to A and D
  /// bits; with `reads_first` only what a load does (the store may hit all the same). No fault is
  /// raised or counted. If it succeeds, whoever holds the host addresses `held` may go on using
  /// them: no entry for one of their pages had to go, and no page became tracked.
  DirectAccess make_direct(LinearAddr address, size_t size, Access access, bool reads_first,
                   std::span<const u64> held = {});

  /// Accesses the processor makes by itself: descriptor tables, TSS. Supervisor whatever CPL is.
  template <class T>
  Result<T> read_system(LinearAddr address) {
    T value;
    if (const u8* host = table_of(PrivilegeClass::Supervisor).find(Access::Read, address, sizeof(T))) [[likely]] {
      std::memcpy(&value, host, sizeof(T));
      return value;
    }
    DOPPEL_TRY(system_access(address, &value, sizeof(T), Access::Read));
    return value;
  }
  template <class T>
  Result<void> write_system(LinearAddr address, T value) {
    return system_access(address, &value, sizeof(T), Access::Write);
  }
  Result<void> probe_system(LinearAddr address, size_t size, Access access);

  // ---- code ------------------------------------------------------------------------------------

  struct FetchPage {
    /// First byte of the page; null: not memory, fetch byte by byte through PhysicalMemory.
    const u8* host = nullptr;
    PhysAddr page;
  };
  /// The page that instructions at `address` come from. @errors #PF with I/D, #GP(0)
  Result<FetchPage> fetch_page(LinearAddr address) {
    // Fetches are never checked for alignment or data breakpoints: the class's own table serves.
    const ShadowTlb& own = table_of(class_);
    const size_t slot = ShadowTlb::fetch_slot(address);
    if (own.fetch_pages[slot] == address.page().value) [[likely]] {
      return FetchPage{own.fetch_hosts[slot], PhysAddr(own.fetch_physical[slot])};
    }
    return fetch_slow(address);
  }
  /// Whether fetch_page would not walk. Who remembers where code is must ask before going to another page:
  /// else a page whose entry has been evicted is walked for by one engine and not by another, and the
  /// guest sees its accessed bit.
  bool has_fetched(LinearAddr address) const {
    return table_of(class_).fetch_pages[ShadowTlb::fetch_slot(address)] == address.page().value;
  }
  /// The number of a linear page with this physical page behind it, as ShadowTlb::fetch_ids has it.
  /// A number is never given to another pair; a pair may get a new one after very many others. 0:
  /// there are no numbers left.
  u32 fetch_id(LinearAddr page, PhysAddr physical) { return fetch_ids_.id(page, physical); }

  // ---- what the processor tells ----------------------------------------------------------------

  /// A new meaning of linear addresses. Flushes what the change invalidates, by the manual's rules
  /// ("Operations that Invalidate TLBs"); `keep` is MOV CR3 with bit 63 (PCID).
  /// Called with nothing changed, it is MOV CR3 with the same value and flushes what is not global.
  void set_context(const PagingContext& context, bool keep_translations = false);
  const PagingContext& context() const { return context_; }
  /// CPL and AC choose the table. Cheap: called on every change of CPL.
  void set_privilege(bool user, bool ac) {
    if (user == user_ && ac == ac_) return;
    user_ = user;
    ac_ = ac;
    select_table();
  }
  void set_alignment_check(bool on) {
    if (on == alignment_check_) return;
    alignment_check_ = on;
    select_table();
  }
  void set_data_breakpoints(std::span<const DataBreakpoint> slots);
  /// Which slots were hit since the last call (bit n: slot n).
  unsigned take_breakpoint_hits();
  /// 48, or 57 with LA57: what canonical means now. set_context derives it.
  void set_linear_bits(unsigned bits) { linear_bits_ = bits; }
  unsigned linear_bits() const { return linear_bits_; }

  /// Forgets everything that was derived from memory, shadow page tables included: another A20,
  /// other frames, another machine's memory.
  void flush_all();
  /// As after power-on: flush_all(), and nothing is left of what translations have taught.
  void start_anew();
  /// Drops every entry of the shadow TLB, global ones too, as INVPCID of all contexts does.
  void flush_translations();
  void flush_non_global();
  void flush_page(LinearAddr address);
  /// Grows with every flush: what was learnt from a translation holds while this stays the same.
  u64 generation() const { return generation_; }
  /// For WriteTracking's protect hook, which the machine installs: stores to `page` take the slow
  /// path from now on.
  void page_became_tracked(PhysAddr page);
  /// Another frame stands behind `page`, or other rights (a ROM shadowed, a frame taken away).
  void page_frame_changed(PhysAddr page);

  // ---- shadow page tables ----------------------------------------------------------------------

  /// Guest-visible state does not depend on it. Takes the PageTable observer of WriteTracking.
  void set_paging_scheme(PagingScheme scheme);
  PagingScheme paging_scheme() const { return scheme_; }
  /// Called under PagingScheme::Check when shadow page tables and walk differ, with a sentence.
  void set_mismatch_hook(std::function<void(std::string)> hook) { mismatch_ = std::move(hook); }

  /// After every access that reached a device or changed code: the run loop wants to look around.
  /// The flag is set to true; the engine reads and clears it.
  void set_attention(bool* flag) { attention_ = flag; }

  PageWalker& walker() { return walker_; }
  PhysicalMemory& memory() { return memory_; }
  const MmuCounters& counters() const { return counters_; }
  /// The table that loads and stores look in now, for engines.
  const ShadowTlb& active() const { return *active_; }
  PrivilegeClass active_class() const { return has_checks() ? PrivilegeClass::NeverFilled : class_; }
  /// Makes one run of the page and of its neighbours that the class's table holds, for loads or for stores; their frames
  /// are made to follow each other, if there are at most so many. Nobody else may hold host addresses of this memory.
  /// @return the run's bytes; a page's, if it stays alone; or 0, if the table does not hold it.
  u64 gather(PrivilegeClass rights, Access access, LinearAddr address, size_t most_pages);

  /// At a constant distance from the Mmu: generated code adds it.
  /// For an engine that keeps count in its sites.
  ShadowTlb& table(PrivilegeClass rights) { return tables_[static_cast<size_t>(rights)]; }
  const ShadowTlb& table(PrivilegeClass rights) const {
    return tables_[static_cast<size_t>(rights)];
  }

 private:
  /// One page's part of an access, checked: where its bytes are.
  struct Target {
    u8* host = nullptr;      // First byte, if it may be accessed directly.
    PhysAddr physical;       // Behind A20.
    bool is_memory = false;  // RAM or ROM, not registers.
  };
  /// A page that loads or stores reach only through PhysicalMemory: registers, ROM, tracked pages.
  /// Remembered because the shadow TLB has no entry for it and each access would walk.
  struct SlowPage {
    LinearAddr linear;
    u64 generation = 0;  // Another than generation_: flushed.
    PhysAddr page;
    Access access = Access::Read;
    PrivilegeClass rights = PrivilegeClass::Supervisor;
  };
  static constexpr size_t kSlowPages = 64;
  /// Parts of an access of up to 64 KiB.
  using Targets = boost::container::static_vector<Target, 17>;

  Result<void> read_slow(LinearAddr address, void* out, size_t size) __attribute__((noinline));
  Result<void> write_slow(LinearAddr address, const void* in, size_t size)
      __attribute__((noinline));
  Result<UpdateSlot> open_slow(LinearAddr address, void* value, size_t size)
      __attribute__((noinline));
  void store_checked(LinearAddr address, const void* in, size_t size) __attribute__((noinline));
  Result<FetchPage> fetch_slow(LinearAddr address) __attribute__((noinline));
  Result<void> system_access(LinearAddr address, void* data, size_t size, Access access);

  void select_table();
  bool has_checks() const { return active_ == &table_of(PrivilegeClass::NeverFilled); }
  ShadowTlb& table_of(PrivilegeClass rights) { return tables_[static_cast<size_t>(rights)]; }
  const ShadowTlb& table_of(PrivilegeClass rights) const { return table(rights); }
  bool is_long() const { return (context_.efer & efer::LMA) != 0; }
  LinearAddr wrap(LinearAddr address) const {
    return is_long() ? address : LinearAddr(address.value & 0xffff'ffff);
  }
  Result<void> check(LinearAddr address, size_t size, bool explicit_access) const;
  void note_breakpoints(LinearAddr address, size_t size, bool stores);

  Result<Translation> look_up(LinearAddr address, WalkRequest request) {
    if (shadow_ != nullptr) return look_up_shadow(address, request);
    ++counters_.walks;
    return walker_.walk(context_, address, request);
  }
  Result<Translation> look_up_shadow(LinearAddr address, WalkRequest request);
  void compare_with_walk(LinearAddr address, WalkRequest request, const Translation& known,
                         const Result<Translation>& walked);

  Result<Target> translate(LinearAddr address, Access access, PrivilegeClass rights, bool implicit);
  Result<Target> refill(LinearAddr address, Access access, PrivilegeClass rights, bool implicit);
  u64 pages_tracked() const;
  Result<void> translate_each(LinearAddr address, size_t size, Access access,
                              PrivilegeClass rights, bool implicit, Targets& targets);
  Result<void> translate_all(LinearAddr address, size_t size, Access access, PrivilegeClass rights,
                             bool implicit, Targets& targets);
  Result<void> access_pages(LinearAddr address, u8* out, const u8* in, size_t size, Access access,
                            PrivilegeClass rights, bool implicit);
  void load(const Target& target, u8* out, size_t size);
  void store(const Target& target, const u8* in, size_t size);
  void reached_device();
  u8* page_with_code(const Target& target);
  u8* span_over_code(const Target& target, size_t size);
  u8* span_beside_code(const Target& target, size_t size);

  static size_t large_page_bit(LinearAddr address, unsigned shift);
  void note_large_page(LinearAddr address, u64 page_size);
  void flush_part(LinearAddr first, u64 size);
  void change_index();

  PhysicalMemory& memory_;
  PageWalker walker_;
  PagingContext context_;
  std::array<ShadowTlb, kPrivilegeClasses> tables_;
  ShadowTlb* active_ = nullptr;
  PrivilegeClass class_ = PrivilegeClass::Supervisor;
  bool user_ = false;
  bool ac_ = false;
  bool alignment_check_ = false;
  unsigned linear_bits_;
  bool has_breakpoints_ = false;
  std::array<DataBreakpoint, 4> breakpoints_{};
  unsigned breakpoint_hits_ = 0;
  bool* attention_ = nullptr;
  std::array<SlowPage, kSlowPages> slow_pages_;
  u64 generation_ = 1;
  FetchIds fetch_ids_;
  TlbConflicts conflicts_;
  bool index_is_poor_ = false;  ///< conflicts_ said so: the next refill changes it.
  /// A set bit for every large page that entries were filled from since the last full flush: INVLPG
  /// of any address in it drops all of it.
  std::array<u64, 64> large_pages_{};
  PagingScheme scheme_ = PagingScheme::Nested;
  std::unique_ptr<ShadowPageTable> shadow_;  ///< Null under Nested.
  /// False while host addresses for stores are held: a page that becomes tracked would be missed.
  bool may_track_ = true;
  std::function<void(std::string)> mismatch_;
  MmuCounters counters_;
};

}  // namespace doppel::mmu
