#pragma once

// Where things are while translated code runs: an agreement between emitter, stubs and run loop.
//
//     r15          address of the CpuState plus 12. Its low six bits are 12, so that
//                  SHRX x, x, r15 is a shift by the page size that needs no flags and no constant.
//     rsp          a stack of its own: host return addresses of guest calls, nothing else.
//     r11          the budget: instructions that may still be begun, less kBudgetSlack. In a register because
//                  each block changes it: through memory, one block would wait for the other's store.
//     rcx r13 r14  scratch. r13 holds host addresses of guest memory, r14 branch targets.
//     the others   guest registers, see `kHome`.
//     EFLAGS       the guest's arithmetic flags; DF is clear.
//
// Guest registers without a home stay in the CpuState. XMM, YMM and x87 registers are the guest's
// while the words VectorAway and X87Away are 0.

#include <array>
#include <cstddef>

#include "cpu/cpu.h"

namespace doppel::jit {

enum HostReg : u8 {
  kRax, kRcx, kRdx, kRbx, kRsp, kRbp, kRsi, kRdi,
  kR8, kR9, kR10, kR11, kR12, kR13, kR14, kR15,
};

inline constexpr u8 kNoHome = 0xff;

/// Host register of each guest register, or kNoHome. `kHome` holds wherever a block begins or is left;
/// inside, a block may lend places to registers that it uses more (jit/home_choice.h).
using Homes = std::array<u8, 16>;
inline constexpr Homes kHome = {
    kRax, kR10, kRdx, kRbx, kR12, kRbp, kRsi, kRdi,
    kR8, kR9, kNoHome, kNoHome, kNoHome, kNoHome, kNoHome, kNoHome,
};
inline constexpr HostReg kBudget = kR11;

/// r15 minus the address of the CpuState.
inline constexpr i32 kStateBias = 12;
static_assert(kPageShift == kStateBias);

/// Words of EngineArea that translated code and stubs use.
enum class Word : unsigned {
  Budget,      ///< What `kBudget` holds while translated code runs.
  Flags,       ///< Low byte: OF; next byte: the rest as LAHF has it.
  ExitRip,     ///< Where the guest is.
  ExitInfo,    ///< Why translated code was left; see ExitInfo.
  HostStack,   ///< RSP of the C++ code that went in.
  InnerStack,  ///< RSP of translated code while a callout runs.
  ReturnStack, ///< Bottom of the stack of host return addresses.
  JumpMask,    ///< For PEXT: which bits of a branch target choose its place in a table.
  VectorAway,  ///< 1: the guest's vector registers are in the CpuState.
  X87Away,
  HostMxcsr,   ///< What C++ code runs with.
  Engine,      ///< The C++ object that stubs call.
  TscBase,     ///< The time-stamp counter is this less the budget and the instructions of the block that have not retired;
  TscRefused,  ///< unless this is not 0.
  PkeMask,     ///< For PEXT: CR4.PKE,
  FsGsBaseMask, ///< CR4.FSGSBASE.
  CountMask,   ///< For PEXT: what a 32-bit shift heeds of its count.
  CountMask64,
  SignMask,    ///< For PEXT: the sign of 64 bits.
  AdjustMask,  ///< For PEXT and PDEP: LAHF's byte without AF.
  DirectionMask,  ///< For PEXT: DF among the system flags,
  OtherFlagsMask, ///< for PEXT and PDEP: all but it;
  NoInterruptMask, ///< all but IF.
  LinkNumber,  ///< Which jump asks for its target; which block was left.
  BranchBlock, ///< The block whose RET or indirect JMP came last.
  Spare,       ///< A value that must outlive the scratch registers for a moment.
  SpareGpr,    ///< As Spare, used by stubs.
  SpareTarget, ///< As Spare: where a call leads.
  EntryFlags = SpareTarget,  ///< Until all are set anew, those that a trace began with, as LAHF and SETO have them.
  SiteSlot,    ///< What the site stub is about,
  SiteInfo,
  SiteAddend,  ///< and has found.
  SizeMask,    ///< For PEXT: the size in MissInfo.
  CopyMask,    ///< For PEXT: a place in ShadowTlb::copies.
  OffsetMask,  ///< For PEXT: the offset in a page.
  AlignMasks,  ///< For PEXT: page number and misalignment of accesses of 1, 2, 4 ... 32 bytes.
  Saved = AlignMasks + 6,   ///< Registers of translated code during a miss.
  Groups = Saved + 8,       ///< From here on: host addresses of checked groups.
  GuardMisses = Groups + 16,  ///< From here on: how often traces met other targets than were noted.
};
inline constexpr unsigned kGroupWords = 16;
/// Traces that ask after targets share these.
inline constexpr unsigned kGuardCounters = 64;
static_assert(static_cast<unsigned>(Word::GuardMisses) + kGuardCounters <= cpu::EngineArea::kWords);

/// Translated code leaves this many instructions early; the interpreter does the rest. So a block
/// that has spoilt flags nobody will read can still be left at its head: the interpreter passes the
/// instruction that sets them anew before anybody looks.
inline constexpr i64 kBudgetSlack = 64;

/// Distances from r15.
inline constexpr i32 state_offset(size_t offset_in_state) {
  return static_cast<i32>(offset_in_state) - kStateBias;
}
inline i32 gpr_offset(unsigned number) {
  return state_offset(offsetof(cpu::CpuState, gpr) + number * 8);
}
inline constexpr i32 segment_offset(Seg segment) {
  return state_offset(offsetof(cpu::CpuState, seg) + static_cast<size_t>(segment) * sizeof(cpu::SegmentRegister));
}
inline constexpr i32 selector_offset(Seg segment) {
  return segment_offset(segment) + static_cast<i32>(offsetof(cpu::SegmentRegister, selector));
}
i32 word_offset(Word word);
i32 group_offset(unsigned number);
i32 jump_table_offset(unsigned table);
/// Blocks share counters if there are many.
inline constexpr size_t run_counter(u32 block_number) { return block_number % cpu::EngineArea::kCounters; }
i32 run_counter_offset(u32 block_number);

/// Privilege classes whose code is translated.
inline constexpr size_t kClasses = 3;

/// Distances from r15 of the arrays of one shadow TLB.
struct TlbOffsets {
  i32 mask, read_tags, write_tags, addends, fetch_ids, sites, runs, load_runs, store_runs, copies_made, copies, newest_copy;
};
TlbOffsets tlb_offsets(const cpu::Cpu& cpu, mmu::Mmu::PrivilegeClass which);

/// Distances from r15 of what the processor keeps behind its state.
struct CpuOffsets {
  i32 interrupt_line, gs_flat_base, segment_facts, segment_loads;
};
CpuOffsets cpu_offsets(const cpu::Cpu& cpu);
inline i32 facts_offset(const CpuOffsets& cpu, Seg segment) {
  return cpu.segment_facts + static_cast<i32>(static_cast<size_t>(segment) * sizeof(cpu::SegmentFacts));
}

/// Why translated code was left. Packed into one 32-bit word.
struct ExitInfo {
  enum class Kind : u8 {
    Lookup,     ///< ExitRip is the target of a branch that has no block yet.
    Link,       ///< As Lookup, and the jump may be patched: `value` is the site.
    Budget,     ///< Too few instructions are left for the block at ExitRip.
    Often,      ///< The block at ExitRip has run as often as it counts.
    Interpret,  ///< The instruction at ExitRip is the interpreter's.
    Callout,    ///< A handler wants the run loop; everything is in the CpuState already.
  };
  Kind kind = Kind::Lookup;
  /// Instructions of the block that the budget was charged for and that have not retired; before the
  /// charge, minus those that have.
  i8 not_retired = 0;
  /// AF is to be cleared: the last instruction left it undefined, see HostFlags.
  bool clear_adjust = false;
  /// AC is to be turned over: see PlannedInstruction::other_access.
  bool other_access = false;

  constexpr u32 pack() const {
    return static_cast<u32>(kind) | u32{static_cast<u8>(not_retired)} << 8 | (clear_adjust ? 1u << 16 : 0) |
           (other_access ? 1u << 17 : 0);
  }
  static constexpr ExitInfo unpack(u32 word) {
    return {static_cast<Kind>(word & 0xff), static_cast<i8>(word >> 8 & 0xff), (word >> 16 & 1) != 0, (word >> 17 & 1) != 0};
  }
};

/// LAHF and SETO's bytes, as Word::Flags keeps them, from and to LazyFlags.
inline void unpack_flags(u64 word, cpu::LazyFlags& flags) {
  const u64 ah = word >> 8;
  const u64 overflow = word & 1;
  const u64 carry = ah & 1;
  const u64 zero = ah >> 6 & 1;
  const u64 parity = ah >> 2 & 1;
  flags.result = zero ^ 1;
  flags.carries = carry << 63 | (carry ^ overflow) << 62 | (ah >> 4 & 1) << 3 | (ah >> 7 & 1) << 16 |
                  (parity ^ zero) << 8;
}
inline u64 pack_flags(const cpu::LazyFlags& flags) {
  const u64 value = flags.get();
  return (value & 0xff) << 8 | (value >> 11 & 1);
}

}  // namespace doppel::jit
