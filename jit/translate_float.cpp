// The floating-point and vector units.
//
// While a block with vector instructions runs, the guest's vector registers and MXCSR are the host's;
// the same for the x87 unit. They stay there from block to block until a callout or the way out
// needs them in the CpuState. So a block asks once, before its first such instruction.

#include <cstddef>

#include "jit/emitter.h"

namespace doppel::jit {

using namespace asmjit;
using x86::ptr;

namespace {

constexpr i32 kX87 = state_offset(offsetof(cpu::CpuState, x87));

}  // namespace

void Emitter::need_vectors() {
  if (now_.vectors_ready) return;
  a_.mov(x86::ecx, x86::dword_ptr(x86::r15, word_offset(Word::VectorAway)));
  unless_rcx_zero([&] { a_.call(stubs_.load_vectors); });
  now_.vectors_ready = true;
}

void Emitter::need_x87() {
  if (now_.x87_ready) return;
  a_.mov(x86::ecx, x86::dword_ptr(x86::r15, word_offset(Word::X87Away)));
  unless_rcx_zero([&] { a_.call(stubs_.load_x87); });
  now_.x87_ready = true;
}

void Emitter::note_x87(size_t i) {
  const cpu::Instruction& insn = request_->block[i];
  const PlannedInstruction& planned = request_->plan.instructions[i];
  const u8* const opcode = insn.bytes + insn.opcode_offset;
  now_.x87_note.is_pending = true;
  now_.x87_note.rip = planned.rip;
  now_.x87_note.opcode = static_cast<u16>((opcode[0] & 7) << 8 | opcode[1]);
  if (planned.uses.empty()) return;
  emit_offset(x86::r14, with_owed(planned.uses[0].form));
  a_.mov(ptr(x86::r15, kX87 + static_cast<i32>(offsetof(cpu::X87State, fdp))), x86::r14);
  now_.x87_note.has_operand = true;
  now_.x87_note.segment = planned.uses[0].form.segment;
}

/// @source Intel SDM Vol. 1, "x87 FPU Instruction and Data (Operand) Pointers"
void Emitter::emit_x87_pointers() {
  if (!now_.x87_note.is_pending) return;
  now_.x87_note.is_pending = false;
  const auto field = [](size_t offset) { return kX87 + static_cast<i32>(offset); };
  set(x86::rcx, now_.x87_note.rip);
  a_.mov(ptr(x86::r15, field(offsetof(cpu::X87State, fip))), x86::rcx);
  a_.mov(x86::word_ptr(x86::r15, field(offsetof(cpu::X87State, fop))), now_.x87_note.opcode);
  a_.movzx(x86::ecx, x86::word_ptr(x86::r15, selector_offset(Seg::CS)));
  a_.mov(x86::word_ptr(x86::r15, field(offsetof(cpu::X87State, fcs))), x86::cx);
  if (!now_.x87_note.has_operand) return;
  now_.x87_note.has_operand = false;
  a_.movzx(x86::ecx, x86::word_ptr(x86::r15, selector_offset(now_.x87_note.segment)));
  a_.mov(x86::word_ptr(x86::r15, field(offsetof(cpu::X87State, fds))), x86::cx);
}

}  // namespace doppel::jit
