#pragma once

// x87 instructions on the host's unit: a short way and an exact way.
//
// The short way loads only the registers an instruction reads, runs it and stores the result: a
// fifth of the time of loading the whole unit. It holds where the registers read are valid, the
// place for a result is free, and no exception that the guest has unmasked arises (the host runs
// with all masked, and the flags tell afterwards). Everything else takes the exact way: the whole
// image in, the instruction, the whole image out. What the short way would have done is then
// forgotten.

#include "cpu/base/types.h"

namespace doppel::cpu {

/// How the short way of an instruction uses the stack.
enum class X87Shape : u8 {
  Exact,          ///< Has no short way.
  StackToTop,     ///< ST(0) = ST(0) op ST(i)
  TopToStack,     ///< ST(i) = ST(i) op ST(0)
  TwoToOne,       ///< ST(1) = f(ST(0), ST(1)); the instruction itself pops.
  MemoryToTop,    ///< ST(0) = ST(0) op memory
  Top,            ///< ST(0) = f(ST(0))
  Load,           ///< pushes memory or a constant
  Store,          ///< memory = ST(0)
  CompareStack,   ///< flags of ST(0) and ST(i)
  CompareMemory,  ///< flags of ST(0) and memory
  Examine,        ///< flags of ST(0)
};

struct X87Form {
  /// @param top, other  Registers of 16 bytes: ST(0), and ST(i) or the memory operand.
  /// @param unseen      Exception flags the guest has not set: they must be clear before.
  /// @param words       Control words: the guest's with all exceptions masked, the host's.
  /// @return            Status word; above it the low 16 bits of RFLAGS for FCOMI and its kin.
  using Short = u64 (*)(void* top, void* other, u64 unused, u64 unseen, const u16* words);
  /// @param image   512 bytes as FXRSTOR wants them, overwritten as FXSAVE does.
  /// @param rflags  What FCMOVcc looks at.
  /// @return        RFLAGS after.
  using Exact = u64 (*)(void* image, void* memory, u64 rflags);

  Short run_short = nullptr;
  Exact run_exact = nullptr;
  X87Shape shape = X87Shape::Exact;
  u8 index = 0;  ///< i of ST(i).
  u8 pops = 0;   ///< After the short way.
  u8 memory_bytes = 0;
  bool writes_memory = false;
  bool writes_flags = false;  ///< EFLAGS.
  u16 conditions = 0;         ///< Condition bits that the instruction defines.
  bool exact_if_nan = false;  ///< A result that is no number takes the exact way.
};

/// The form of opcode D8-DF with this ModRM byte, built on first use; null if the host gives no
/// memory for thunks. Safe to call from several threads.
const X87Form* find_x87_form(u8 opcode, u8 modrm);

}  // namespace doppel::cpu
