// PUSH, POP and LEAVE. The guest's stack pointer moves after the access, which is checked first.

#include <cstddef>

#include "jit/emitter.h"

namespace doppel::jit {

using namespace asmjit;
using x86::ptr;

namespace {

const x86::Gpq kStack = x86::gpq(kHome[RSP]);

}  // namespace

void Emitter::move_stack(i32 distance) {
  const Mode mode = request_->mode;
  if (mode.code64()) {
    a_.lea(kStack, ptr(kStack, distance));
  } else if (mode.wide_stack()) {
    a_.lea(kStack.r32(), ptr(kStack, distance));
  } else {
    a_.lea(x86::ecx, ptr(kStack, distance));
    a_.mov(kStack.r16(), x86::cx);
  }
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
    a_.mov(x86::rcx, static_cast<i64>(insn.immediate));
    store_register(to, x86::rcx, width);
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
  // POP SP keeps the value, not the incremented pointer.
  load_register(x86::r14, from, width);
  move_stack(static_cast<i32>(width));
  write_guest(to.reg / 8, x86::r14, width);
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
  a_.mov(frame, x86::r14);
}

}  // namespace doppel::jit
