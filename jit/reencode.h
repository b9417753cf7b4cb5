#pragma once

// The guest's instruction with host registers in place of the guest's.
//
// An innocuous instruction stays what it is: same opcode, same immediate, same vector registers.
// Only general registers and the memory operand are exchanged, and prefixes are put as a 64-bit host
// wants them (the operand size is the instruction's, whatever the guest's default was).

#include "cpu/instruction.h"

namespace doppel::jit {

/// A host memory operand: base + index * 2^scale + displacement, with 64-bit addresses.
struct HostMemory {
  static constexpr u8 kNone = 0xff;
  u8 base = kNone;   ///< Host register number 0..15. Required.
  u8 index = kNone;  ///< Never 4 (RSP).
  u8 scale = 0;      ///< Shift: 0..3.
  i32 displacement = 0;
};

/// What stands in for the guest's operands in one instruction.
struct Substitution {
  /// Host register for each guest general register 0..15 (for all of its parts: the low byte, the
  /// word ...). A high byte (AH CH DH BH) keeps its place: its guest register must map to the host
  /// register of the same number, and nothing else of the instruction may then need a REX prefix.
  u8 registers[16];
  /// For the explicit memory operand, whatever its guest form was (ModRM of any address size, or
  /// the absolute address of MOV A0-A3).
  HostMemory memory;
  /// A general register operand that is read from memory instead: index into Instruction::operand,
  /// or kNone. It must stand in ModRM.rm (or be movable there: see reencode.cpp), and the
  /// instruction must have no memory operand of its own.
  static constexpr u8 kNone = 0xff;
  u8 operand_in_memory = kNone;
};

inline constexpr size_t kMaxHostInstruction = 15;

/// Writes the host's encoding to `out` (room for 15 bytes) and returns its size, or 0 where the host
/// has none: the caller must then leave the instruction to the interpreter.
/// Registers that an instruction names only by its opcode (CL of shifts, RAX of MUL, RDX:RAX of
/// CMPXCHG8B) are not operands here and stay themselves.
size_t reencode(const cpu::Instruction& insn, const Substitution& with, u8* out);

}  // namespace doppel::jit
