// Flags that can be computed again.
//
// A check that uses EFLAGS is shorter than one that does not. It may do so where no instruction reads
// the flags before they are all set anew, and where whoever leaves the block in between can have them
// back: the instruction that set them is still repeatable, because it only compares, or because its
// result says it all, or because it can be undone and done again.

#include <Zydis/Zydis.h>

#include "jit/emitter.h"

namespace doppel::jit {

using namespace asmjit;
using x86::ptr;

namespace {

using cpu::Instruction;
using cpu::Operand;
using cpu::OperandKind;

/// A register with a home.
bool has_home(const Operand& operand, const Homes& homes) {
  return operand.kind == OperandKind::Gpr && operand.reg % 8 == 0 && homes[operand.reg / 8] != kNoHome;
}

/// As above, of 32 or 64 bits.
bool is_plain_register(const Operand& operand, const Homes& homes) {
  return has_home(operand, homes) && operand.bytes >= 4;
}

bool is_repeatable(const Instruction& insn, const Homes& homes) {
  if (insn.flags_written != rflags::kArithmetic || insn.has(cpu::prefix::kLock)) return false;
  const Operand& first = insn.operand[0];
  const Operand& second = insn.operand[1];
  const bool only_compares = insn.mnemonic == ZYDIS_MNEMONIC_TEST || insn.mnemonic == ZYDIS_MNEMONIC_CMP;
  if (only_compares) {
    const bool by_any = second.kind == OperandKind::Immediate || has_home(second, homes);
    return has_home(first, homes) && by_any;
  }
  if (!is_plain_register(first, homes)) return false;
  const bool by_constant = second.kind == OperandKind::Immediate;
  const bool by_register = is_plain_register(second, homes) && second.reg != first.reg;
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_AND:
    case ZYDIS_MNEMONIC_OR:
    case ZYDIS_MNEMONIC_XOR:
      return second.kind != OperandKind::None;  // The result decides, wherever it came from.
    case ZYDIS_MNEMONIC_ADD:
    case ZYDIS_MNEMONIC_SUB:
      return by_constant || by_register;
    default:
      return false;
  }
}

/// It changes all flags but CF, and can be undone and done again.
bool is_repeatable_step(const Instruction& insn, const Homes& homes) {
  const bool is_step = insn.mnemonic == ZYDIS_MNEMONIC_INC || insn.mnemonic == ZYDIS_MNEMONIC_DEC;
  return is_step && is_plain_register(insn.operand[0], homes);
}

u32 registers_named(const Instruction& insn) {
  u32 named = 1u << (insn.operand[0].reg / 8);
  if (insn.operand[1].kind == OperandKind::Gpr) named |= 1u << (insn.operand[1].reg / 8);
  return named;
}

bool runs_on(Treatment treatment) {
  switch (treatment) {
    case Treatment::Nothing:
    case Treatment::Identical:
    case Treatment::Address:
    case Treatment::Push:
    case Treatment::Pop:
    case Treatment::Leave:
    case Treatment::String:
    case Treatment::Direction:
    case Treatment::ReadSelector:
      return true;
    default:
      return false;
  }
}

/// Registers are written when nothing can go wrong any more.
bool writes_last(Treatment treatment) { return treatment == Treatment::Identical || treatment == Treatment::Address; }

/// Its flags stay what they were, and so may their source.
bool passes_flags(Treatment treatment) {
  return runs_on(treatment) || treatment == Treatment::JumpIf || treatment == Treatment::Jump ||
         treatment == Treatment::Call || treatment == Treatment::Return;
}

}  // namespace

bool Emitter::may_spoil_flags(size_t i) const {
  if (!now_.flag_source.has_value() || i < charge_at_) return false;
  FlagSource source = *now_.flag_source;
  const auto& planned = request_->plan.instructions;
  bool is_lost = false;
  for (size_t j = i; j < planned.size(); ++j) {
    const Instruction& insn = request_->block[j];
    const Treatment treatment = planned[j].treatment;
    if (needs_for_flags(source, 1u << RSP) && needs_stack_pointer(j)) is_lost = true;
    if (is_lost && (may_leave(planned[j]) || may_divide(insn))) return false;
    // Who leaves here because the way is another gets the flags back.
    const bool passes = planned[j].is_passed && treatment != Treatment::JumpIf;
    if (!(passes || runs_on(treatment)) || insn.flags_read != 0) return false;
    if (insn.flags_written == rflags::kArithmetic) return true;
    const u32 changed = registers_changed(j);
    if (needs_for_flags(source, changed)) {
      // Who leaves at `j` itself leaves before that.
      if (!writes_last(treatment)) return false;
      is_lost = true;
    }
    if (insn.flags_touched == 0) continue;
    if (is_repeatable_step(insn, home_) && !late_stack_move(j).has_value()) {
      source.step = j;
    } else {
      is_lost = true;
    }
  }
  return false;
}

/// Keeps `now_.flag_source` true behind instruction `i`.
void Emitter::follow_flags(size_t i) {
  const Instruction& insn = request_->block[i];
  const Treatment treatment = request_->plan.instructions[i].treatment;
  if (treatment == Treatment::Nothing || late_stack_move(i).has_value()) return;
  const bool is_changed = now_.flag_source.has_value() && needs_for_flags(*now_.flag_source, registers_changed(i));
  if (is_changed) now_.flag_source.reset();
  if (insn.flags_touched == 0 && passes_flags(treatment)) return;
  const bool is_plain = treatment == Treatment::Identical && !now_.adjust_is_stale;
  if (now_.flag_source.has_value() && is_plain && is_repeatable_step(insn, home_)) {
    now_.flag_source->step = i;
    return;
  }
  now_.flags_are_spoilt = false;
  now_.flag_source.reset();
  if (is_plain && is_repeatable(insn, home_)) now_.flag_source = FlagSource{i, {}};
}

bool Emitter::needs_for_flags(const FlagSource& source, u32 registers) const {
  const auto needs = [&](size_t i) { return i != FlagSource::kEntry && (registers_named(request_->block[i]) & registers) != 0; };
  return needs(source.whole) || (source.step.has_value() && needs(*source.step));
}

void Emitter::emit_flags_again(const FlagSource& source) {
  emit_flags_of(source.whole);
  if (source.step.has_value()) emit_flags_of(*source.step);
}

void Emitter::emit_flags_of(size_t i) {
  if (i == FlagSource::kEntry) return restore_flags(Word::EntryFlags);
  const Instruction& insn = request_->block[i];
  const auto host_register = [&](const Operand& operand) {
    const x86::Gpq home = x86::gpq(home_[operand.reg / 8]);
    return operand.bytes == 8 ? x86::Gp(home) : x86::Gp(home.r32());
  };
  const x86::Gp first = host_register(insn.operand[0]);
  const bool by_constant = insn.operand[1].kind == OperandKind::Immediate;
  const auto apply = [&](InstId id) {
    if (by_constant) {
      a_.emit(id, first, Imm(static_cast<i32>(insn.immediate)));
    } else {
      a_.emit(id, first, host_register(insn.operand[1]));
    }
  };
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_TEST:
    case ZYDIS_MNEMONIC_CMP: {
      const std::optional<OperandSetup> setup = set_up_operands(insn, home_);
      a_.put_bytes(setup->bytes, setup->size);
      return;
    }
    case ZYDIS_MNEMONIC_ADD:
      apply(x86::Inst::kIdSub);
      apply(x86::Inst::kIdAdd);
      return;
    case ZYDIS_MNEMONIC_SUB:
      apply(x86::Inst::kIdAdd);
      apply(x86::Inst::kIdSub);
      return;
    case ZYDIS_MNEMONIC_INC:
      a_.lea(first, ptr(first.r64(), -1));
      a_.inc(first);
      return;
    case ZYDIS_MNEMONIC_DEC:
      a_.lea(first, ptr(first.r64(), 1));
      a_.dec(first);
      return;
    default:
      a_.emit(x86::Inst::kIdTest, first, first);
      return;
  }
}

/// What is gained where the checks before the first instruction that sets all flags anew, and the budget's, may use EFLAGS.
int Emitter::gain_of_kept_flags() const {
  const auto& planned = request_->plan.instructions;
  int gain = charge_spoils_ ? 0 : 1;
  for (size_t i = 0; i < planned.size(); ++i) {
    const Instruction& insn = request_->block[i];
    const bool passes = planned[i].is_passed && planned[i].treatment != Treatment::JumpIf;
    if (insn.flags_read != 0 || !(passes || runs_on(planned[i].treatment))) return 0;
    for (const MemoryUse& use : planned[i].uses) {
      if (!use.is_checked) gain += use.group >= 0 ? 2 : 1;
    }
    if (insn.flags_written == rflags::kArithmetic) return gain;
    if (insn.flags_touched != 0) return 0;
  }
  return 0;
}

/// A trace that begins with flags of which it knows nothing may keep them for whoever leaves.
void Emitter::keep_entry_flags() {
  constexpr int kLeastGain = 3;
  if (in_loop_ || !request_->loops || gain_of_kept_flags() < kLeastGain) return;
  save_flags(Word::EntryFlags);
  now_.flag_source = FlagSource{FlagSource::kEntry, {}};
  charge_at_ = 0;
  charge_spoils_ = false;
}

}  // namespace doppel::jit
