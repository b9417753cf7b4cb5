#pragma once

// A block or trace looked at before it is translated: what each instruction becomes, which memory it touches,
// and which accesses one check can cover.
//
// Accesses off one base register (and one index) that lie close together form a *group*: the first of them checks
// the whole range, the others only add their distance to the host address found. These registers
// may move by constants in between (PUSH, ADD RSP, INC): offsets are counted from their values at the
// beginning. A group whose range straddles two pages fails its check and is left to the
// interpreter; a block to which that happens often is translated again without groups.

#include <array>
#include <optional>
#include <span>

#include <boost/container/static_vector.hpp>

#include "cpu/instruction.h"
#include "jit/mode.h"
#include "jit/operand_setup.h"

namespace doppel::jit {

/// Of the longest traces; the interpreter's blocks are shorter.
inline constexpr unsigned kMaxBlockInstructions = 64;

/// What becomes of an instruction.
enum class Treatment : u8 {
  Nothing,    ///< No effect here: NOP, prefetches, fences.
  Identical,  ///< The same instruction, operands replaced.
  Address,    ///< LEA.
  Push,
  Pop,
  Leave,
  String,     ///< MOVS, STOS, LODS, CMPS, SCAS, without repetition.
  Direction,  ///< CLD and STD.
  PushFlags,  ///< PUSHF with CPL 0.
  ClearInterrupts,  ///< CLI with CPL 0.
  SetInterrupts,    ///< STI with CPL 0: as Callout, where an interrupt waits.
  SwapGs,     ///< With CPL 0.
  Jump,       ///< Near JMP.
  JumpIf,     ///< Jcc.
  Count,      ///< LOOP, LOOPE, LOOPNE, JCXZ ...
  Call,
  Return,
  Callout,    ///< Its handler is called; translated code goes on behind it.
  Interpret,  ///< Translated code is left before it.
};

/// Its handler may be called.
constexpr bool calls_out(Treatment treatment) {
  return treatment == Treatment::Callout || treatment == Treatment::SetInterrupts;
}

/// How an offset is computed, in guest terms.
struct AddressForm {
  u8 base = cpu::kZeroRegister;   ///< Guest register, or kZeroRegister for none.
  u8 index = cpu::kZeroRegister;
  u8 scale = 0;
  u8 bytes = 8;                   ///< Address size: 2, 4 or 8.
  Seg segment = Seg::DS;
  i64 displacement = 0;
};

/// One access to memory.
struct MemoryUse {
  AddressForm form;
  u8 size = 0;
  bool write = false;
  u8 alignment_mask = 0;  ///< 15 or 31: a misaligned access raises #GP.
  i8 group = -1;   ///< Index into BlockPlan::groups, or alone.
  i32 offset = 0;  ///< In a group: distance from its lowest byte.
};

struct Group {
  i32 low_from_base = 0;    ///< Lowest byte minus the base register when the check is made.
  u16 span = 0;             ///< Bytes from the lowest to the end of the highest.
  bool write = false;
  bool reads_first = false;
  bool is_kept = false;     ///< Its host address must be kept in memory: others come in between.
  bool is_begun = false;    ///< While planning and emitting: the check has been made.
};

struct PlannedInstruction {
  Treatment treatment = Treatment::Interpret;
  boost::container::static_vector<MemoryUse, 2> uses;
  u64 rip = 0;  ///< Of its first byte.
  std::optional<OperandSetup> setup;  ///< Of an identical one, while registers are where `kHome` says.
};

struct BlockPlan {
  boost::container::static_vector<PlannedInstruction, kMaxBlockInstructions> instructions;
  boost::container::static_vector<Group, 16> groups;
};

struct PlanOptions {
  bool groups = true;
};

/// Plans `block`, whose instructions are at `rips` (offsets in CS).
BlockPlan plan_block(std::span<const cpu::Instruction> block, Mode mode, std::span<const u64> rips, PlanOptions options);
/// As above; its first byte is at `rip`, and each instruction follows the one before.
BlockPlan plan_block(std::span<const cpu::Instruction> block, Mode mode, u64 rip, PlanOptions options);

/// Whether a flag in `mask` may be looked at after instruction `index` before it is set again:
/// by an instruction, by a fault, by a callout, or at the end of the block.
bool flags_are_seen(std::span<const cpu::Instruction> block, const BlockPlan& plan, size_t index,
                    u16 mask);

/// As above, before instruction `index`.
bool flags_are_seen_before(std::span<const cpu::Instruction> block, const BlockPlan& plan,
                           size_t index, u16 mask);

/// A branch that a trace may go on behind: its target is known.
bool may_be_passed_by(const cpu::Instruction& insn, Mode mode);

/// What one step of a string instruction does.
enum class StringStep : u8 { Move, Store, Load, Compare, Scan };
StringStep string_step(const cpu::Instruction& insn);
constexpr bool has_source(StringStep step) { return step != StringStep::Store && step != StringStep::Scan; }
constexpr bool has_destination(StringStep step) { return step != StringStep::Load; }

/// Index of the operand of this kind, or 4.
unsigned operand_of(const cpu::Instruction& insn, cpu::OperandKind kind);
/// The offset of an instruction's memory operand; RIP-relative ones are absolute here.
AddressForm form_of(const cpu::Instruction& insn, u64 next_rip);
/// Guest general registers an instruction may change, bit n for register n. More is never wrong.
u32 registers_written(const cpu::Instruction& insn, Treatment treatment);
/// A vector register is an operand, or the instruction belongs to the vector units.
bool uses_vectors(const cpu::Instruction& insn);
bool uses_x87(const cpu::Instruction& insn);

}  // namespace doppel::jit
