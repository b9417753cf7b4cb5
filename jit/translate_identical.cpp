// Innocuous instructions: the same on the host, with operands in the host's places.
//
// What surrounds them: the check of a memory operand before, registers without a home loaded before
// and stored after, and doppel's own rule for undefined flags put in place where somebody could see
// that the host has another.

#include <algorithm>

#include <Zydis/Zydis.h>

#include "jit/emitter.h"
#include "jit/operand_setup.h"

namespace doppel::jit {

using namespace asmjit;
using x86::ptr;

namespace {

/// R14 has something else to do between the check and the access than to be half of the address.
bool needs_linear_register(const OperandSetup& setup, FlagRepair repair) {
  const bool is_plain = repair == FlagRepair::None || repair == FlagRepair::ClearAdjust;
  return !is_plain || setup.address_in_rcx ||
         std::any_of(setup.passages.begin(), setup.passages.end(),
                     [](const OperandSetup::Passage& passage) { return passage.host == kR14; });
}

}  // namespace

void Emitter::emit_identical(size_t i) {
  const cpu::Instruction& insn = request_->block[i];
  const PlannedInstruction& planned = request_->plan.instructions[i];
  if (const std::optional<i32> distance = late_stack_move(i)) return move_stack(*distance);
  if (uses_x87(insn)) {
    need_x87();
  } else if (uses_vectors(insn)) {
    need_vectors();
  }
  if (now_.adjust_is_stale && (insn.flags_read & rflags::AF) != 0) emit_clear_adjust();

  FlagRepair repair = host_flags_.repair_of(insn);
  const u16 concerned = repair == FlagRepair::ClearAdjustUnlessZero ? static_cast<u16>(rflags::AF)
                                                                    : insn.flags_undefined;
  const bool is_lazy = repair == FlagRepair::None || repair == FlagRepair::ClearAdjust;
  if (!is_lazy && !flags_are_seen(request_->block, request_->plan, i, concerned)) repair = FlagRepair::None;

  OperandSetup setup = swaps_.empty() ? *planned.setup : *set_up_operands(insn, home_);
  std::optional<HostMemory> memory;
  if (!planned.uses.empty()) memory = emit_access(i, planned.uses[0], needs_linear_register(setup, repair));
  if (repair == FlagRepair::Restore) save_flags(Word::Spare);
  if (repair == FlagRepair::TestSource) {
    emit_bit_scan(i, memory);
  } else {
    emit_with_operands(i, setup, memory, repair);
  }
  if (uses_x87(insn)) note_x87(i);
  if ((insn.flags_written & rflags::AF) != 0) now_.adjust_is_stale = repair == FlagRepair::ClearAdjust;
}

void Emitter::emit_with_operands(size_t i, OperandSetup& setup, const std::optional<HostMemory>& memory, FlagRepair repair) {
  const cpu::Instruction& insn = request_->block[i];
  if (memory.has_value()) {
    setup.with.memory = *memory;
    if (setup.address_in_rcx) {
      a_.lea(x86::rcx, mem(*memory));
      setup.with.memory = {kRcx};
    }
  }
  for (const OperandSetup::Passage& passage : setup.passages) {
    if (passage.is_turned) {
      a_.rorx(x86::gpq(passage.host), x86::gpq(home_[passage.guest]), 8);
    } else if (passage.loaded) {
      load_guest(x86::gpq(passage.host), passage.guest);
    }
  }
  if (repair == FlagRepair::ClearAdjustUnlessZero) {
    // Kept aside, for RCX itself may be what is shifted.
    const Word mask = insn.width == 8 ? Word::CountMask64 : Word::CountMask;
    a_.pext(x86::rcx, x86::rcx, ptr(x86::r15, word_offset(mask)));
    a_.mov(ptr(x86::r15, word_offset(Word::Spare)), x86::rcx);
    load_guest(x86::rcx, RCX);
  }
  if (memory.has_value()) setup.size = static_cast<u8>(reencode(insn, setup, setup.bytes));
  const u32 at = here();
  if (memory.has_value()) {
    const bool is_store = (insn.memory_access & cpu::memory_access::kWrite) != 0;
    note_site(is_store);
  }
  a_.put_bytes(setup.bytes, setup.size);
  const bool may_fault = may_divide(insn) || (memory.has_value() && uses_vectors(insn));
  if (may_fault) draft_.faults.push_back({at, static_cast<u32>(place_of(i))});
  for (const OperandSetup::Passage& passage : setup.passages) {
    if (!passage.stored) continue;
    if (passage.is_turned) {
      a_.rorx(x86::gpq(home_[passage.guest]), x86::gpq(passage.host), 56);
    } else if (home_[passage.guest] == kNoHome) {
      a_.mov(ptr(x86::r15, gpr_offset(passage.guest)), x86::gpq(passage.host));
    } else {
      a_.mov(x86::gpq(home_[passage.guest]), x86::gpq(passage.host));
    }
  }
  repair_flags(insn, repair);
}

/// The register that `operand` of the guest stands in now, or a copy in rcx.
x86::Gpq Emitter::register_at_hand(const cpu::Operand& operand) {
  const unsigned guest = operand.reg / 8;
  if (home_[guest] != kNoHome) return x86::gpq(home_[guest]);
  a_.mov(x86::rcx, ptr(x86::r15, gpr_offset(guest)));
  return x86::rcx;
}

void Emitter::emit_test(const Gpq& reg, unsigned bytes) {
  switch (bytes) {
    case 1: a_.test(reg.r8(), reg.r8()); break;
    case 2: a_.test(reg.r16(), reg.r16()); break;
    case 4: a_.test(reg.r32(), reg.r32()); break;
    default: a_.test(reg, reg); break;
  }
}

void Emitter::save_flags(Word place) {
  a_.mov(x86::rcx, x86::rax);
  a_.lahf();
  a_.seto(x86::al);
  a_.mov(ptr(x86::r15, word_offset(place)), x86::rax);
  a_.mov(x86::rax, x86::rcx);
}

void Emitter::restore_flags(Word place) {
  a_.mov(x86::rcx, x86::rax);
  a_.mov(x86::rax, ptr(x86::r15, word_offset(place)));
  a_.add(x86::al, 127);
  a_.sahf();
  a_.mov(x86::rax, x86::rcx);
}

void Emitter::repair_flags(const cpu::Instruction& insn, FlagRepair repair) {
  switch (repair) {
    case FlagRepair::None:
    case FlagRepair::ClearAdjust:
    case FlagRepair::TestSource:
      return;
    case FlagRepair::ClearAdjustUnlessZero:
      a_.mov(x86::rcx, ptr(x86::r15, word_offset(Word::Spare)));
    {
      // Where the count is 0, AF is what it was: stale, if it was.
      const bool was_stale = now_.adjust_is_stale;
      unless_rcx_zero([&] { emit_clear_adjust(); });
      now_.adjust_is_stale = was_stale;
      return;
    }
    case FlagRepair::Restore:
      return restore_flags(Word::Spare);
    case FlagRepair::TestResult:
      emit_test(register_at_hand(insn.operand[0]), insn.operand[0].bytes);
      return;
    case FlagRepair::TestCount:
    case FlagRepair::Product: {
      const bool is_product = repair == FlagRepair::Product;
      const bool into_rax = is_product && insn.operand[1].kind == cpu::OperandKind::None;
      const Gpq result = into_rax ? x86::rax : register_at_hand(insn.operand[0]);
      // CF (and OF, which is equal after a product) survive in r14.
      a_.setc(x86::r14b);
      emit_test(result, insn.width);
      a_.mov(x86::rcx, x86::rax);
      a_.lahf();
      a_.mov(x86::al, x86::r14b);
      a_.or_(x86::ah, x86::al);
      if (is_product) a_.add(x86::al, 127);
      a_.sahf();
      a_.mov(x86::rax, x86::rcx);
      return;
    }
  }
}

/// BSF and BSR: their source is tested behind them.
void Emitter::emit_bit_scan(size_t i, const std::optional<HostMemory>& memory) {
  const cpu::Instruction& insn = request_->block[i];
  if (memory.has_value()) {
    load_register(x86::rcx, *memory, insn.width);
  } else {
    load_guest(x86::rcx, insn.operand[1].reg / 8);
  }
  const unsigned guest = insn.operand[0].reg / 8;
  const bool has_home = home_[guest] != kNoHome;
  const Gpq to = has_home ? x86::gpq(home_[guest]) : x86::r14;
  // A source of 0 leaves the destination alone.
  if (!has_home) load_guest(to, guest);
  const u32 id = insn.mnemonic == ZYDIS_MNEMONIC_BSF ? x86::Inst::kIdBsf : x86::Inst::kIdBsr;
  switch (insn.width) {
    case 2: a_.emit(id, to.r16(), x86::cx); break;
    case 4: a_.emit(id, to.r32(), x86::ecx); break;
    default: a_.emit(id, to, x86::rcx); break;
  }
  if (!has_home) a_.mov(ptr(x86::r15, gpr_offset(guest)), to);
  emit_test(x86::rcx, insn.width);
}

/// The check has found the operand that has the bit: what is left of the index counts from there.
void Emitter::emit_bit_string(size_t i) {
  const cpu::Instruction& insn = request_->block[i];
  const HostMemory at = emit_access(i, request_->plan.instructions[i].uses[0]);
  const bool is_wide = insn.width == 8;
  load_guest(x86::rcx, insn.operand[1].reg / 8);
  if (insn.mnemonic == ZYDIS_MNEMONIC_BT) {
    load_register(x86::r14, at, insn.width);
    is_wide ? a_.bt(x86::r14, x86::rcx) : a_.bt(x86::r14d, x86::ecx);
    return;
  }
  a_.pext(x86::rcx, x86::rcx, ptr(x86::r15, word_offset(is_wide ? Word::CountMask64 : Word::CountMask)));
  a_.movzx(x86::ecx, x86::cl);  // For the verifier's eyes.
  const u32 id = insn.mnemonic == ZYDIS_MNEMONIC_BTS   ? x86::Inst::kIdBts
                 : insn.mnemonic == ZYDIS_MNEMONIC_BTR ? x86::Inst::kIdBtr
                                                       : x86::Inst::kIdBtc;
  note_site(true);
  if (insn.has(cpu::prefix::kLock)) a_.lock();
  a_.emit(id, mem(at), is_wide ? x86::Gp(x86::rcx) : x86::Gp(x86::ecx));
}

/// RAX, RDX and RBX are where the host looks for them.
void Emitter::emit_exchange_pair(size_t i) {
  const cpu::Instruction& insn = request_->block[i];
  const HostMemory at = emit_access(i, request_->plan.instructions[i].uses[0]);
  load_guest(x86::rcx, RCX);
  const bool is_wide = insn.mnemonic == ZYDIS_MNEMONIC_CMPXCHG16B;
  // One that is not aligned faults.
  if (is_wide) is_suspect_ = true;
  note_site(true);
  if (insn.has(cpu::prefix::kLock)) a_.lock();
  a_.emit(is_wide ? x86::Inst::kIdCmpxchg16b : x86::Inst::kIdCmpxchg8b, mem(at));
}

void Emitter::emit_clear_adjust() {
  a_.mov(x86::r14, x86::rax);
  a_.lahf();
  a_.movzx(x86::ecx, x86::ah);
  a_.pext(x86::ecx, x86::ecx, x86::dword_ptr(x86::r15, word_offset(Word::AdjustMask)));
  a_.pdep(x86::ecx, x86::ecx, x86::dword_ptr(x86::r15, word_offset(Word::AdjustMask)));
  a_.mov(x86::ah, x86::cl);
  a_.sahf();
  a_.mov(x86::rax, x86::r14);
  now_.adjust_is_stale = false;
}

void Emitter::emit_lea(size_t i) {
  const cpu::Instruction& insn = request_->block[i];
  if (const std::optional<i32> distance = late_stack_move(i)) return move_stack(*distance);
  AddressForm form = with_owed(form_of(insn, request_->plan.instructions[i].rip + insn.length));
  const unsigned guest = insn.operand[0].reg / 8;
  const unsigned width = insn.operand[0].bytes;
  const bool has_home = home_[guest] != kNoHome;
  const auto at_home = [&](u8 reg) { return reg == cpu::kZeroRegister || home_[reg] != kNoHome; };
  const bool stays_home = has_home && at_home(form.base) && at_home(form.index);
  if (stays_home && form.bytes >= 4 && width >= 4) {
    form.bytes = static_cast<u8>(std::min<unsigned>(form.bytes, width));
    emit_offset(x86::gpq(home_[guest]), form);
    return;
  }
  emit_offset(x86::r14, form);
  if (width == 2) {
    if (has_home) {
      a_.mov(x86::gpq(home_[guest]).r16(), x86::r14w);
    } else {
      a_.mov(x86::word_ptr(x86::r15, gpr_offset(guest)), x86::r14w);
    }
    return;
  }
  if (width == 4) a_.mov(x86::r14d, x86::r14d);
  if (has_home) {
    a_.mov(x86::gpq(home_[guest]), x86::r14);
  } else {
    a_.mov(ptr(x86::r15, gpr_offset(guest)), x86::r14);
  }
}

}  // namespace doppel::jit
