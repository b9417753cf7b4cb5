#pragma once

// What the translator must know of one guest instruction, whatever stands around it.

#include <optional>

#include "cpu/instruction.h"
#include "cpu/state.h"
#include "jit/treatment.h"

namespace doppel::jit {

/// How an offset is computed, in guest terms.
struct AddressForm {
  u8 base = cpu::kZeroRegister;   ///< Guest register, or kZeroRegister for none.
  u8 index = cpu::kZeroRegister;
  u8 scale = 0;
  u8 bytes = 8;                   ///< Address size: 2, 4 or 8.
  Seg segment = Seg::DS;
  i64 displacement = 0;
  /// Guest register that counts bits from there: the access is to the operand that has the bit. Or kZeroRegister.
  u8 bit_index = cpu::kZeroRegister;
  u8 bit_bytes = 0;               ///< Operand size then: 4 or 8.
};

/// What one step of a string instruction does.
enum class StringStep : u8 { Move, Store, Load, Compare, Scan };
StringStep string_step(const cpu::Instruction& insn);
/// MOVS: string_step has it for whatever it does not know.
bool is_string_move(const cpu::Instruction& insn);
constexpr bool has_source(StringStep step) { return step != StringStep::Store && step != StringStep::Scan; }
constexpr bool has_destination(StringStep step) { return step != StringStep::Load; }

/// Index of the operand of this kind, or 4.
unsigned operand_of(const cpu::Instruction& insn, cpu::OperandKind kind);
/// The offset of an instruction's memory operand; RIP-relative ones are absolute here.
AddressForm form_of(const cpu::Instruction& insn, u64 next_rip);
/// Guest general registers an instruction may change, bit n for register n. More is never wrong.
u32 registers_written(const cpu::Instruction& insn, Treatment treatment);
/// ADD, SUB, INC, DEC and LEA that move a register of `bytes` bytes by a constant.
struct ConstantMove {
  u8 reg = 0;
  i64 distance = 0;
};
std::optional<ConstantMove> constant_move(const cpu::Instruction& insn, u8 bytes);
/// A vector register is an operand, or the instruction belongs to the vector units.
bool uses_vectors(const cpu::Instruction& insn);
bool uses_x87(const cpu::Instruction& insn);

}  // namespace doppel::jit
