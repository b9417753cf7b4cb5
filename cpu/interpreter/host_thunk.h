#pragma once

// MMX, SSE and AVX instructions run on the host's own unit, through generated host functions.
//
// A thunk loads the registers its instruction names from the CpuState, runs the very instruction,
// and stores what it wrote. Its registers are chosen once for all (a thunk gets the addresses of
// its operands), so there is one thunk for each form of an instruction, not for each combination
// of registers: their number is bounded whatever a guest writes. A memory operand is read into, or
// written from, a buffer of exactly its size.
//
// What is copied to the host is decoded again from the copy and must be the same instruction with
// nothing but known registers; everything else is refused.

#include "cpu/base/result.h"
#include "cpu/cpu_model.h"
#include "cpu/instruction.h"
#include "cpu/state.h"

namespace doppel::cpu {

/// Whether this host can execute what the feature stands for. True for features that doppel does
/// not run on the host. A model may offer only what the host supports.
bool host_supports(Feature feature);

/// @errors a sentence, where the host gives no memory to run thunks in. Ask once at start.
Result<void, Error> host_thunks_ready();

/// One instruction form as a host function.
struct HostThunk {
  static constexpr u8 kNoMemory = 3;  // No instruction has its memory operand there.

  /// Returns the host's RFLAGS where the instruction writes flags, or ThunkArena::kTrapped.
  using Entry = u64 (*)(void* op0, void* op1, void* op2, void* op3, CpuState* state);
  Entry entry = nullptr;
  u8 memory_operand = kNoMemory;  ///< Its index.
  u8 memory_bytes = 0;
  u8 alignment_mask = 0;  ///< 15 or 31: misaligned raises #GP(0).
  bool writes_memory = false;
  bool writes_flags = false;
  bool may_trap = false;  ///< Runs under the guest's MXCSR.
};

/// The thunk for an instruction, built on first sight and kept; null if the host has none.
/// Safe to call from several threads.
const HostThunk* find_host_thunk(const Instruction& insn);

}  // namespace doppel::cpu
