#pragma once

#include <boost/container/static_vector.hpp>

#include "cpu/arch/exception.h"
#include "cpu/arch/paging.h"
#include "cpu/base/address.h"
#include "mmu/physical_memory.h"

namespace doppel::mmu {

/// What one level of a walk saw; for reports and `info tlb`.
struct WalkStep {
  PhysAddr entry_address;
  u64 entry = 0;
  u8 level = 0;  ///< 5 .. 1; 1 is the page table.
  /// Why this level refused ("P=0", "W=0", "NX=1", "reserved bit 51 set", "SMEP", …), or null.
  const char* failure = nullptr;
};

/// What a linear page leads to.
struct Translation {
  PhysAddr page;  ///< 4 KiB page that holds the address (also inside large pages).
  u64 page_size = kPageSize;
  bool writable = false;   ///< All levels: R/W.
  bool user = false;       ///< All levels: U/S.
  bool executable = true;  ///< No level: XD (and NXE on).
  bool global = false;
  bool dirty = false;  ///< The leaf's D bit is set now.
  u8 key = 0;          ///< Protection key, user pages of 4- and 5-level paging.
};

/// What the walk needs of the asker besides the address.
struct WalkRequest {
  Access access = Access::Read;
  Privilege privilege = Privilege::Supervisor;
  bool ac = false;  ///< RFLAGS.AC: excuses explicit supervisor accesses from SMAP.
};

/// The entries a walk came through, the root's first; behind A20.
using WalkPath = boost::container::static_vector<PhysAddr, 5>;

class PageWalker {
 public:
  explicit PageWalker(PhysicalMemory& memory) : memory_(memory) {}

  /// Without them, PS in a page-directory-pointer entry is a reserved bit.
  void set_gigabyte_pages(bool on) { gigabyte_pages_ = on; }

  /// Finds the physical page behind `address`, as the processor would at this moment.
  ///
  /// Sets accessed and dirty bits in guest memory. Does not consult or fill the TLB. `path`, if
  /// given, gets the entries of a walk that succeeded.
  ///
  /// @errors  #PF with the error code of "Page-Fault Exceptions" and the address.
  /// @source  Intel SDM Vol. 3A, "Paging" (32-bit, PAE, 4-level and 5-level), "Determination of
  /// Access Rights"
  Result<Translation> walk(const PagingContext& context, LinearAddr address, WalkRequest request,
                           WalkPath* path = nullptr);
  /// Whether a store at this address, behind A20, is the walker setting A or D in an entry.
  bool is_updating(PhysAddr address) const { return is_updating_ && address == updated_; }

  /// The same question without a trace: no A/D bits are set. For debuggers and reports.
  using Steps = boost::container::static_vector<WalkStep, 5>;  // No paging mode has more levels.
  Result<Translation> explain(const PagingContext& context, LinearAddr address, WalkRequest request,
                              Steps& steps);

  /// Whether the rights of a page allow an access; the walk asks this at its end, the Mmu for what
  /// else a finished translation permits.
  /// @source  Intel SDM Vol. 3A, "Determination of Access Rights", "Protection Keys"
  static bool permits(const PagingContext& context, const Translation& page, WalkRequest request) {
    return refusal(context, page, request) == Refusal::None;
  }

  /// Reads the four PDPTEs of PAE paging. @errors #GP(0) if a reserved bit is set in a present one.
  Result<void> load_pdptes(PagingContext& context);

 private:
  /// Why the rights of a page forbid an access.
  enum class Refusal : u8 { None, NotUser, NotWritable, NotExecutable, Smep, Smap, ProtectionKey };
  static Refusal refusal(const PagingContext& context, const Translation& page,
                         WalkRequest request);
  static bool key_forbids(const PagingContext& context, const Translation& page,
                          WalkRequest request);
  static void explain_refusal(Refusal refusal, Steps& steps);

  /// What walk and explain share. Explaining notes steps and leaves memory and devices alone.
  template <bool kExplains>
  Result<Translation> run(const PagingContext& context, LinearAddr address, WalkRequest request,
                          Steps* steps, WalkPath* path);
  u64 read_entry(PhysAddr address, Width width) {
    return width == Width::Dword ? memory_.read<u32>(address) : memory_.read<u64>(address);
  }
  u64 peek_entry(PhysAddr address, Width width);

  PhysicalMemory& memory_;
  bool gigabyte_pages_ = true;
  bool is_updating_ = false;
  PhysAddr updated_;
};

}  // namespace doppel::mmu
