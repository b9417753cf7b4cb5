// PUSH, POP and LEAVE, and how the guest's stack pointer moves: after the access, which is checked first.
//
// Functions begin and end with rows of instructions that move it by constants. Its host register need not follow
// them one by one: what it is *owed* is known here, is added to the displacements of accesses, and is made up for where somebody
// sees the register as it stands, or leaves.

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

#include "jit/emitter.h"

namespace doppel::jit {

using namespace asmjit;
using x86::ptr;

namespace {

const x86::Gpq kStack = x86::gpq(kHome[RSP]);
/// So near that the moves of a whole block and a displacement together fit an i32.
bool is_near(i64 distance) { return distance > -(i64{1} << 20) && distance < i64{1} << 20; }

bool names_stack_pointer(const cpu::Instruction& insn) {
  return std::any_of(std::begin(insn.operand), std::end(insn.operand), [](const cpu::Operand& operand) {
    return operand.kind == cpu::OperandKind::Gpr && operand.reg / 8 == RSP;
  });
}

}  // namespace

/// It moves as a whole, and stands in its own place.
bool Emitter::may_owe_stack() const { return request_->mode.wide_stack() && home_[RSP] == kHome[RSP]; }

/// How far instruction `i` moves it, if that is all that anybody will see of the instruction.
std::optional<i32> Emitter::late_stack_move(size_t i) const {
  const cpu::Instruction& insn = request_->block[i];
  const Treatment treatment = request_->plan.instructions[i].treatment;
  const bool may_be = treatment == Treatment::Identical || treatment == Treatment::Address;
  if (!may_be || insn.operand[0].kind != cpu::OperandKind::Gpr || insn.operand[0].reg != 8 * RSP || !may_owe_stack()) return {};
  const std::optional<ConstantMove> moved = constant_move(insn, request_->mode.code64() ? 8 : 4);
  if (!moved || !is_near(moved->distance)) return {};
  if (insn.flags_touched != 0 && flags_are_seen(request_->block, request_->plan, i, insn.flags_touched)) return {};
  return static_cast<i32>(moved->distance);
}

/// Instruction `i` must find it in its register.
bool Emitter::needs_stack_pointer(size_t i) const {
  const cpu::Instruction& insn = request_->block[i];
  switch (request_->plan.instructions[i].treatment) {
    case Treatment::Nothing:
    case Treatment::Identical:
    case Treatment::Address:
    case Treatment::BitString:
    case Treatment::ExchangePair:
    case Treatment::Push:
    case Treatment::Pop:
    case Treatment::Leave:
    case Treatment::String:
    case Treatment::Direction:
    case Treatment::Jump:
    case Treatment::JumpIf:
    case Treatment::Call:
    case Treatment::Return:
      break;
    default:
      return true;
  }
  if (late_stack_move(i).has_value()) return false;
  const bool is_base = operand_of(insn, cpu::OperandKind::Memory) < 4 && insn.base == 8 * RSP;
  return names_stack_pointer(insn) || (is_base && !is_near(static_cast<i64>(insn.displacement)));
}

/// The guest registers whose host registers are others behind instruction `i`.
u32 Emitter::registers_changed(size_t i) const {
  const cpu::Instruction& insn = request_->block[i];
  const Treatment treatment = request_->plan.instructions[i].treatment;
  const u32 written = registers_written(insn, treatment);
  if ((written >> RSP & 1) == 0 || !may_owe_stack()) return written;
  const bool owes = treatment == Treatment::Push || treatment == Treatment::Pop || treatment == Treatment::Call ||
                    treatment == Treatment::Return;
  const bool is_late = owes ? !names_stack_pointer(insn) : late_stack_move(i).has_value();
  return is_late ? written & ~(1u << RSP) : written;
}

AddressForm Emitter::with_owed(AddressForm form) const {
  if (form.base == RSP) form.displacement += now_.stack_owed;
  return form;
}

void Emitter::move_stack(i32 distance) {
  if (may_owe_stack()) {
    now_.stack_owed += distance;
    return;
  }
  a_.lea(x86::ecx, ptr(kStack, distance));
  a_.mov(kStack.r16(), x86::cx);
}

void Emitter::pay_stack() {
  const i32 owed = std::exchange(now_.stack_owed, 0);
  if (owed == 0) return;
  if (request_->mode.code64()) {
    a_.lea(kStack, ptr(kStack, owed));
  } else {
    a_.lea(kStack.r32(), ptr(kStack, owed));
  }
  if (now_.flag_source.has_value() && needs_for_flags(*now_.flag_source, 1u << RSP)) now_.flag_source.reset();
}

x86::Mem Emitter::mem(const HostMemory& memory) {
  const x86::Gpq base = x86::gpq(memory.base);
  if (memory.index == HostMemory::kNone) return ptr(base, memory.displacement);
  return ptr(base, x86::gpq(memory.index), memory.scale, memory.displacement);
}

void Emitter::store_register(const HostMemory& to, const Gpq& from, unsigned bytes) {
  const Mem place = mem(to);
  note_site(true);
  switch (bytes) {
    case 1: a_.mov(place, from.r8()); break;
    case 2: a_.mov(place, from.r16()); break;
    case 4: a_.mov(place, from.r32()); break;
    default: a_.mov(place, from); break;
  }
}

void Emitter::store_constant(const HostMemory& to, u64 value, unsigned bytes) {
  if (bytes == 8 && !is_sign_extended(value)) {
    a_.mov(x86::rcx, value);
    return store_register(to, x86::rcx, bytes);
  }
  Mem place = mem(to);
  place.setSize(bytes);
  note_site(true);
  a_.mov(place, bytes == 2 ? Imm(static_cast<i16>(value)) : Imm(static_cast<i32>(value)));
}

/// Zero-extends.
void Emitter::load_register(const Gpq& to, const HostMemory& from, unsigned bytes) {
  note_site(false);
  switch (bytes) {
    case 1:
    case 2: {
      Mem place = mem(from);
      place.setSize(bytes);
      a_.movzx(to.r32(), place);
      break;
    }
    case 4: a_.mov(to.r32(), mem(from)); break;
    default: a_.mov(to, mem(from)); break;
  }
}

/// As the processor writes registers: 32 bits clear the upper half, fewer keep the rest.
void Emitter::write_guest(unsigned guest, const Gpq& from, unsigned bytes) {
  const bool has_home = home_[guest] != kNoHome;
  const Gpq home = has_home ? x86::gpq(home_[guest]) : x86::rcx;
  if (bytes == 1) {
    if (has_home) {
      a_.mov(home.r8(), from.r8());
    } else {
      a_.mov(x86::byte_ptr(x86::r15, gpr_offset(guest)), from.r8());
    }
  } else if (bytes == 2) {
    if (has_home) {
      a_.mov(home.r16(), from.r16());
    } else {
      a_.mov(x86::word_ptr(x86::r15, gpr_offset(guest)), from.r16());
    }
  } else if (has_home) {
    a_.mov(home, from);
  } else {
    a_.mov(ptr(x86::r15, gpr_offset(guest)), from);
  }
}

void Emitter::emit_push(size_t i) {
  const cpu::Instruction& insn = request_->block[i];
  const PlannedInstruction& planned = request_->plan.instructions[i];
  const unsigned width = insn.stack_width;
  const Mem spare = ptr(x86::r15, word_offset(Word::Spare));
  const cpu::Operand& what = insn.operand[0];
  if (what.kind == cpu::OperandKind::Memory) {
    const HostMemory from = emit_access(i, planned.uses[0]);
    load_register(x86::rcx, from, width);
    a_.mov(spare, x86::rcx);
  }
  const HostMemory to = emit_access(i, planned.uses.back());
  if (what.kind == cpu::OperandKind::Memory) {
    a_.mov(x86::rcx, spare);
    store_register(to, x86::rcx, width);
  } else if (what.kind == cpu::OperandKind::Segment) {
    a_.movzx(x86::ecx, x86::word_ptr(x86::r15, selector_offset(static_cast<Seg>(what.reg))));
    store_register(to, x86::rcx, planned.uses.back().size);
  } else if (what.kind == cpu::OperandKind::Gpr) {
    const unsigned guest = what.reg / 8;
    if (home_[guest] != kNoHome) {
      store_register(to, x86::gpq(home_[guest]), width);
    } else {
      load_guest(x86::rcx, guest);
      store_register(to, x86::rcx, width);
    }
  } else {
    store_constant(to, insn.immediate, width);
  }
  move_stack(-static_cast<i32>(width));
}

void Emitter::emit_pop(size_t i) {
  const cpu::Instruction& insn = request_->block[i];
  const PlannedInstruction& planned = request_->plan.instructions[i];
  const unsigned width = insn.stack_width;
  const cpu::Operand& to = insn.operand[0];
  const HostMemory from = emit_access(i, planned.uses[0]);
  if (to.kind == cpu::OperandKind::Memory) {
    const Mem spare = ptr(x86::r15, word_offset(Word::Spare));
    load_register(x86::rcx, from, width);
    a_.mov(spare, x86::rcx);
    const HostMemory place = emit_access(i, planned.uses[1]);
    a_.mov(x86::rcx, spare);
    store_register(place, x86::rcx, width);
    move_stack(static_cast<i32>(width));
    return;
  }
  const unsigned guest = to.reg / 8;
  if (guest == RSP) {
    // It keeps the value, not the incremented pointer.
    load_register(x86::r14, from, width);
    move_stack(static_cast<i32>(width));
    pay_stack();
    write_guest(guest, x86::r14, width);
  } else if (home_[guest] != kNoHome && width >= 4) {
    load_register(x86::gpq(home_[guest]), from, width);
    move_stack(static_cast<i32>(width));
  } else {
    load_register(x86::r14, from, width);
    move_stack(static_cast<i32>(width));
    write_guest(guest, x86::r14, width);
  }
}

void Emitter::emit_leave(size_t i) {
  const unsigned width = request_->block[i].stack_width;
  const HostMemory from = emit_access(i, request_->plan.instructions[i].uses[0]);
  const Gpq frame = x86::gpq(kHome[RBP]);
  // The load first: it faults on the host if the address is not canonical.
  load_register(x86::r14, from, width);
  if (width == 8) {
    a_.lea(kStack, ptr(frame, 8));
  } else {
    a_.lea(kStack.r32(), ptr(frame, 4));
  }
  now_.stack_owed = 0;
  a_.mov(frame, x86::r14);
}

}  // namespace doppel::jit
