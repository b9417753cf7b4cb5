// String instructions. Of those that repeat, MOVS and STOS go to a stub, which leaves to the handler what is not simple; all others to
// their handlers.
//
// Without repetition, DF stands with the system flags in the CpuState; the host's is clear. Both indexes move after the last
// access, by an addition that touches no flag:
//
//     mov   rcx, [system flags]
//     pext  rcx, rcx, [DF]               0 or 1
//     lea   rcx, [rcx * size]
//     not   rcx                          -1 or -1 - size
//     lea   rsi, [rsi + rcx * 2 + size + 2]

#include <bit>
#include <cstddef>

#include <Zydis/Zydis.h>

#include "jit/emitter.h"

namespace doppel::jit {

using namespace asmjit;
using x86::ptr;

namespace {

constexpr i32 kSystemFlags = state_offset(offsetof(cpu::CpuState, system_flags));

}  // namespace

void Emitter::emit_string(size_t i) {
  const cpu::Instruction& insn = request_->block[i];
  const auto& uses = request_->plan.instructions[i].uses;
  const unsigned bytes = insn.width;
  const StringStep step = string_step(insn);
  const Gpq accumulator = x86::gpq(kHome[RAX]);
  const Mem spare = ptr(x86::r15, word_offset(Word::Spare));
  const auto compare = [&](const Gpq& with, const HostMemory& memory) {
    const Mem place = mem(memory);
    note_site(false);
    switch (bytes) {
      case 1: a_.cmp(with.r8(), place); break;
      case 2: a_.cmp(with.r16(), place); break;
      case 4: a_.cmp(with.r32(), place); break;
      default: a_.cmp(with, place); break;
    }
    now_.adjust_is_stale = false;
  };
  switch (step) {
    case StringStep::Move:
    case StringStep::Compare: {
      load_register(x86::rcx, emit_access(i, uses[0]), bytes);
      a_.mov(spare, x86::rcx);
      const HostMemory second = emit_access(i, uses[1]);
      a_.mov(x86::rcx, spare);
      if (step == StringStep::Move) {
        store_register(second, x86::rcx, bytes);
      } else {
        compare(x86::rcx, second);
      }
      break;
    }
    case StringStep::Load:
      load_register(x86::r14, emit_access(i, uses[0]), bytes);
      write_guest(RAX, x86::r14, bytes);
      break;
    case StringStep::Store:
      store_register(emit_access(i, uses[0]), accumulator, bytes);
      break;
    case StringStep::Scan:
      compare(accumulator, emit_access(i, uses[0]));
      break;
  }
  emit_steps(insn);
}

void Emitter::emit_repeat(size_t i) {
  const cpu::Instruction& insn = request_->block[i];
  const Mode mode = request_->mode;
  const auto rights = (has_other_access() ? mode.with_other_access() : mode).privilege();
  const Stubs::Repeat repeat = {string_step(insn) == StringStep::Move, static_cast<u8>(std::countr_zero(insn.width)), mode.code64()};
  emit_x87_pointers();
  a_.call(stubs_.repeat[static_cast<size_t>(rights)][repeat.index()]);
  emit_or_callout(i, [] {});
}

/// The indexes go on by one element. Spoils rcx and r14.
void Emitter::emit_steps(const cpu::Instruction& insn) {
  const i32 bytes = insn.width;
  a_.mov(x86::rcx, ptr(x86::r15, kSystemFlags));
  a_.pext(x86::rcx, x86::rcx, ptr(x86::r15, word_offset(Word::DirectionMask)));
  if (bytes > 1) a_.lea(x86::rcx, x86::ptr_abs(0, x86::rcx, static_cast<u32>(std::countr_zero(insn.width))));
  a_.not_(x86::rcx);
  const auto advance = [&](unsigned guest) {
    const Gpq index = x86::gpq(kHome[guest]);
    const Mem next = ptr(index, x86::rcx, 1, bytes + 2);
    switch (form_of(insn, 0).bytes) {
      case 2:
        a_.lea(x86::r14d, next);
        a_.mov(index.r16(), x86::r14w);
        break;
      case 4: a_.lea(index.r32(), next); break;
      default: a_.lea(index, next); break;
    }
  };
  const StringStep step = string_step(insn);
  if (has_source(step)) advance(RSI);
  if (has_destination(step)) advance(RDI);
}

}  // namespace doppel::jit
