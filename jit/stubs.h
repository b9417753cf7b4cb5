#pragma once

// Hand-written host code that every block shares: the ways in and out.
//
// Emitted once, at the beginning of the code cache. In all of them "guest registers" are the ones
// with a home (jit/layout.h); flags and registers are the guest's on the way in and out.

#include <array>

#include <asmjit/x86.h>

#include "jit/layout.h"

namespace doppel::jit {

/// C++ functions that stubs call; `engine` is Word::Engine.
struct StubTargets {
  /// Tries to make an access hit; see MissInfo. kTryAgain; or what is to be added to `linear` for this one store; or 0: leave.
  u64 (*miss)(void* engine, u64 linear, u32 info);
  /// Runs an instruction's handler. 0: go on behind it; 1: leave; else the address of the host code to go
  /// on with, on a return stack that begins anew.
  u64 (*callout)(void* engine, void* record);
};

inline constexpr u64 kTryAgain = 1;  ///< No distance between pages.

/// What a miss must know, packed into a register.
struct MissInfo {
  u16 size = 0;              ///< At most 1023.
  bool write = false;
  bool reads_first = false;  ///< The first access of a group reads; a later one writes.
  /// The access that is made first must be aligned, or raises #GP before anything is translated:
  /// 0, 15 or 31.
  u8 alignment_mask = 0;
  u16 first_offset = 0;      ///< Where it lies in the range; at most 1023.
  bool other_access = false; ///< See PlannedInstruction.
  constexpr u32 pack() const {
    return size | u32{first_offset} << 10 | u32{alignment_mask} << 20 | (write ? 1u << 25 : 0) |
           (reads_first ? 1u << 26 : 0) | (other_access ? 1u << 27 : 0);
  }
  static constexpr MissInfo unpack(u32 word) {
    return {static_cast<u16>(word & 0x3ff), (word >> 25 & 1) != 0, (word >> 26 & 1) != 0,
            static_cast<u8>(word >> 20 & 31), static_cast<u16>(word >> 10 & 0x3ff), (word >> 27 & 1) != 0};
  }
};

/// Addresses of the stubs.
struct Stubs {
  using Enter = void (*)(u64 state_register, u64 entry);
  Enter enter = nullptr;
  u64 exit = 0;         ///< r14: ExitRip, ecx: ExitInfo. Leaves to C++.
  /// r14: linear address, ecx: MissInfo. Returns behind the call; or 5 bytes on, if the access cannot be made to hit; or 10
  /// bytes on, if r13 is what to add to the linear address of this store.
  u64 miss = 0;
  /// By class, then 1 for stores, then 1 for sites that may hold runs. r14: linear address, ecx: MissInfo, r13: distance of the
  /// site from r15. Fills the site from the shadow TLB and returns behind the call; or 5 bytes on, for the miss stub. r14
  /// and ecx stay, flags too.
  std::array<std::array<std::array<u64, 2>, 2>, kClasses> site;
  u64 callout = 0;      ///< rcx: record. Returns behind the call, goes on elsewhere, or leaves.
  /// By segment register; ecx: the selector. Loads it, in 32-bit code, and returns rcx = 0; or leaves it to the handler. No other
  /// register changes, besides r13 and r14, nor a flag.
  std::array<u64, kSegCount> load_segment;
  /// MOVS and STOS with REP, addresses as wide as those of the code, in flat segments. If all that they touch is plain memory in a page,
  /// or in two, it is done, and rcx = 0. Else nothing is. r13 and r14 change, flags do not.
  struct Repeat {
    bool moves = false;
    u8 size_shift = 0;  ///< Of elements.
    bool is_wide = false;  ///< 64-bit code.
    size_t index() const { return (moves ? 8u : 0u) + (is_wide ? 4u : 0u) + size_shift; }
    static constexpr size_t kCount = 16;
  };
  std::array<std::array<u64, Repeat::kCount>, kClasses> repeat;
  u64 load_vectors = 0; ///< The guest's vector registers and MXCSR come in. No flag or register changes.
  u64 load_x87 = 0;
  u64 exit_lookup = 0;  ///< r14: where a branch leads that is in no table.
  std::array<u64, cpu::EngineArea::kTables> lookup;    ///< r14: target. Through the table, or out.
  std::array<u64, cpu::EngineArea::kTables> sentinel;  ///< Where a return with no call to it arrives.
  u64 end = 0;
};

/// Emits all stubs at the assembler's position.
Stubs emit_stubs(asmjit::x86::Assembler& a, u64 base_address, const StubTargets& targets,
                 const std::array<TlbOffsets, kClasses>& tlbs, const CpuOffsets& cpu);

}  // namespace doppel::jit
