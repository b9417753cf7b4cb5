#pragma once

// A block or trace looked at before it is translated: what each instruction becomes, which memory it touches,
// and which accesses one check can cover.
//
// Accesses off one base register (and one index) that lie close together form a *group*: the first of them checks
// the whole range, the others only add their distance to the host address found. These registers
// may move by constants in between (PUSH, ADD RSP, INC): offsets are counted from their values at the
// beginning. A group whose range straddles two pages fails its check and is left to the
// interpreter; a block to which that happens often is translated again without groups.
//
// Kernels touch the user's memory between STAC and CLAC. Where both lie on the way, EFLAGS.AC stays what it was: the accesses
// in between look into the other shadow TLB, and only who leaves there turns the flag over.

#include <array>
#include <optional>
#include <span>

#include <boost/container/static_vector.hpp>

#include "cpu/instruction.h"
#include "jit/instruction_facts.h"
#include "jit/mode.h"
#include "jit/operand_setup.h"
#include "jit/treatment.h"

namespace doppel::jit {

/// Of the longest traces; the interpreter's blocks are shorter.
inline constexpr unsigned kMaxBlockInstructions = 64;

/// One access to memory.
struct MemoryUse {
  AddressForm form;
  u8 size = 0;
  bool write = false;
  u8 alignment_mask = 0;  ///< 15 or 31: a misaligned access raises #GP.
  i8 group = -1;   ///< Index into BlockPlan::groups, or alone.
  i32 offset = 0;  ///< In a group: distance from its lowest byte.
  bool is_checked = false;  ///< By an access of its group before: it cannot fail any more, unless it is misaligned.
};

struct Group {
  i32 low_from_base = 0;    ///< Lowest byte minus the base register when the check is made.
  u16 span = 0;             ///< Bytes from the lowest to the end of the highest.
  bool write = false;
  bool reads_first = false;
  u8 returns = 0;           ///< Times its host address is needed again after others came in between: it must be kept.
  bool is_begun = false;    ///< While planning and emitting: the check has been made.
};

struct PlannedInstruction {
  Treatment treatment = Treatment::Interpret;
  boost::container::static_vector<MemoryUse, 2> uses;
  u64 rip = 0;  ///< Of its first byte.
  /// A transfer of control behind which the block goes on, at `leads_to`: the way that was noted.
  bool is_passed = false;
  u64 leads_to = 0;
  bool other_access = false;  ///< Here the guest's AC is the other than where the block began, and the CpuState's is not.
  bool enters_page = false;  ///< Before it the block asks whether the page that it enters is still the same, and may be left.
  std::optional<OperandSetup> setup;  ///< Of an identical one, while registers are where `kHome` says.
};

struct BlockPlan {
  boost::container::static_vector<PlannedInstruction, kMaxBlockInstructions> instructions;
  boost::container::static_vector<Group, 16> groups;
  bool closes = false;  ///< See PlanOptions.
};

struct PlanOptions {
  bool groups = true;
  bool closes = false;  ///< The way that was noted led from the last instruction to the first.
  u64 enters_pages = 0;  ///< Bit n: see PlannedInstruction::enters_page of instruction n.
};

/// Plans `block`, whose instructions are at `rips` (offsets in CS).
BlockPlan plan_block(std::span<const cpu::Instruction> block, Mode mode, std::span<const u64> rips, PlanOptions options);
/// As above; its first byte is at `rip`, and each instruction follows the one before.
BlockPlan plan_block(std::span<const cpu::Instruction> block, Mode mode, u64 rip, PlanOptions options);

/// The block may be left at this instruction, before it has done anything or behind it; divisions apart.
bool may_leave(const PlannedInstruction& planned);

/// A division may raise #DE. Vector accesses are uses already.
bool may_divide(const cpu::Instruction& insn);

/// Whether a flag in `mask` may be looked at after instruction `index` before it is set again:
/// by an instruction, by a fault, by a callout, or at the end of the block.
bool flags_are_seen(std::span<const cpu::Instruction> block, const BlockPlan& plan, size_t index,
                    u16 mask);

/// As above, before instruction `index`.
bool flags_are_seen_before(std::span<const cpu::Instruction> block, const BlockPlan& plan,
                           size_t index, u16 mask);

/// A transfer of control that a trace may go on behind. At indirect calls and returns it asks whether the target
/// is the one that was noted. Not at indirect jumps: those of interpreters lead elsewhere each time.
bool may_be_passed_by(const cpu::Instruction& insn, Mode mode);

}  // namespace doppel::jit
