#pragma once

// From a guest's SIMD instruction to the thunk that runs it.

#include <optional>

#include "cpu/base/types.h"
#include "cpu/instruction.h"
#include "cpu/interpreter/host_thunk.h"
#include "cpu/interpreter/thunk_code.h"

namespace doppel::cpu {

/// An encoding without its registers: what forms of one instruction have in common.
struct SimdForm {
  u16 mnemonic = 0;
  u8 map = 1;  ///< 1: 0F, 2: 0F38, 3: 0F3A.
  u8 opcode = 0;
  u8 group = 0;  ///< ModRM.reg where it is part of the opcode.
  u8 immediate = 0;
  u8 repeat = 0;              ///< The last of F2 and F3.
  bool operand_size = false;  ///< 66 stands.
  bool wide = false;          ///< REX.W or VEX.W
  bool vex = false;
  bool vex_l = false;
  u8 vex_pp = 0;
  bool memory = false;        ///< ModRM names memory.
  bool wide_operand = false;  ///< A memory operand of 8 bytes.
  bool wide_register = false;  ///< A general register of 8 bytes: W alone does not say so outside 64-bit code.

  bool has_group() const { return map == 1 && opcode >= 0x71 && opcode <= 0x73; }
  /// All of it in one number.
  u64 key() const;

  /// @return nothing if the bytes are not of a SIMD instruction.
  static std::optional<SimdForm> of(const Instruction& insn);
};

/// Writes the thunk of `form`. False where the host has no such instruction.
bool build_thunk(const SimdForm& form, const Instruction& insn, ThunkCode& code, HostThunk& thunk);

}  // namespace doppel::cpu
