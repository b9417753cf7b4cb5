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

u32 registers_needed(const Instruction& insn) {
  u32 needed = 1u << (insn.operand[0].reg / 8);
  if (insn.operand[1].kind == OperandKind::Gpr) needed |= 1u << (insn.operand[1].reg / 8);
  return needed;
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
  const u32 needed = registers_needed(request_->block[*now_.flag_source]);
  const auto& planned = request_->plan.instructions;
  bool is_source_lost = false;
  for (size_t j = i; j < planned.size(); ++j) {
    const Instruction& insn = request_->block[j];
    if (is_source_lost && may_leave(planned[j])) return false;
    // Who leaves here because the way is another gets the flags back.
    const bool passes = planned[j].is_passed && planned[j].treatment != Treatment::JumpIf;
    if (!(passes || runs_on(planned[j].treatment)) || insn.flags_read != 0) return false;
    if (insn.flags_written == rflags::kArithmetic) return true;
    if (insn.flags_touched != 0) return false;  // As divisions do, which may fail.
    if ((registers_written(insn, planned[j].treatment) & needed) == 0) continue;
    // Who leaves at `j` itself leaves before that.
    if (!writes_last(planned[j].treatment)) return false;
    is_source_lost = true;
  }
  return false;
}

/// Keeps `now_.flag_source` true behind instruction `i`.
void Emitter::follow_flags(size_t i) {
  const Instruction& insn = request_->block[i];
  const Treatment treatment = request_->plan.instructions[i].treatment;
  if (treatment == Treatment::Nothing) return;
  if (insn.flags_touched != 0 || !passes_flags(treatment)) {
    now_.flags_are_spoilt = false;
    now_.flag_source.reset();
    if (treatment == Treatment::Identical && is_repeatable(insn, home_) && !now_.adjust_is_stale) now_.flag_source = i;
    return;
  }
  if (!now_.flag_source.has_value()) return;
  const u32 needed = registers_needed(request_->block[*now_.flag_source]);
  if ((registers_written(insn, treatment) & needed) != 0) now_.flag_source.reset();
}

void Emitter::emit_flags_again(size_t source) {
  const Instruction& insn = request_->block[source];
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
    default:
      a_.emit(x86::Inst::kIdTest, first, first);
      return;
  }
}

}  // namespace doppel::jit
