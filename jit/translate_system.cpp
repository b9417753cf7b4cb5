// Instructions for the system that kernels use all the time, done without their handlers.
//
// Only what changes nothing that translated code relies on: the flag for interrupts, the one for the direction of strings, the
// base of GS in 64-bit code. The system flags stand in the CpuState, without the arithmetic ones; they are changed by
// instructions that touch no flag of the host.

#include <bit>
#include <cstddef>

#include <Zydis/Zydis.h>

#include "jit/emitter.h"

namespace doppel::jit {

using namespace asmjit;
using x86::ptr;

namespace {

constexpr i32 kSystemFlags = state_offset(offsetof(cpu::CpuState, system_flags));
constexpr i32 kKernelGsBase = state_offset(offsetof(cpu::CpuState, kernel_gs_base));
constexpr i32 kGsBase = segment_offset(Seg::GS) + static_cast<i32>(offsetof(cpu::SegmentRegister, base));

}  // namespace

/// System flags = those of the mask `kept`, and `added`.
void Emitter::replace_system_flags(Word kept, i32 added) {
  const Mem flags = ptr(x86::r15, kSystemFlags);
  const Mem mask = ptr(x86::r15, word_offset(kept));
  a_.mov(x86::rcx, flags);
  a_.pext(x86::rcx, x86::rcx, mask);
  a_.pdep(x86::rcx, x86::rcx, mask);
  if (added != 0) a_.lea(x86::rcx, ptr(x86::rcx, added));
  a_.mov(flags, x86::rcx);
}

void Emitter::emit_direction(size_t i) {
  const bool is_down = request_->block[i].mnemonic == ZYDIS_MNEMONIC_STD;
  replace_system_flags(Word::OtherFlagsMask, is_down ? static_cast<i32>(rflags::DF) : 0);
}

void Emitter::emit_read_selector(size_t i) {
  const cpu::Instruction& insn = request_->block[i];
  a_.movzx(x86::ecx, x86::word_ptr(x86::r15, selector_offset(static_cast<Seg>(insn.operand[1].reg))));
  write_guest(insn.operand[0].reg / 8, x86::rcx, insn.width);
}

/// A stub looks whether the descriptor is the one that was loaded before. Else the instruction is the handler's, from its beginning.
void Emitter::emit_load_segment(size_t i) {
  const cpu::Instruction& insn = request_->block[i];
  const PlannedInstruction& planned = request_->plan.instructions[i];
  emit_x87_pointers();
  if (planned.uses.empty()) {
    load_guest(x86::rcx, insn.operand[1].reg / 8);
    a_.movzx(x86::ecx, x86::cx);
  } else {
    load_register(x86::rcx, emit_access(i, planned.uses[0]), 2);
  }
  a_.call(stubs_.load_segment[insn.operand[0].reg]);
  emit_or_callout(i, [&] {
    if (insn.mnemonic == ZYDIS_MNEMONIC_POP) move_stack(static_cast<i32>(insn.stack_width));
  });
}

void Emitter::emit_read_control(size_t i) {
  constexpr size_t kRegisters[] = {offsetof(cpu::CpuState, cr0), 0, offsetof(cpu::CpuState, cr2), offsetof(cpu::CpuState, cr3)};
  const cpu::Instruction& insn = request_->block[i];
  const Mem from = ptr(x86::r15, state_offset(kRegisters[insn.operand[1].reg]));
  insn.operand[0].bytes == 8 ? a_.mov(x86::rcx, from) : a_.mov(x86::ecx, from);
  write_guest(insn.operand[0].reg / 8, x86::rcx, insn.operand[0].bytes);
}

void Emitter::test_cr4(Word mask) {
  a_.mov(x86::rcx, ptr(x86::r15, state_offset(offsetof(cpu::CpuState, cr4))));
  a_.not_(x86::rcx);
  a_.pext(x86::rcx, x86::rcx, ptr(x86::r15, word_offset(mask)));
}

void Emitter::emit_read_system(size_t i) {
  const cpu::Instruction& insn = request_->block[i];
  const auto of_state = [](size_t offset) { return x86::dword_ptr(x86::r15, state_offset(offset)); };
  emit_x87_pointers();
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_RDPKRU:
      test_cr4(Word::PkeMask);
      load_guest(x86::r14, RCX);
      a_.mov(x86::r14d, x86::r14d);
      a_.lea(x86::rcx, ptr(x86::rcx, x86::r14));
      return emit_or_callout(i, [&] {
        a_.mov(x86::ecx, of_state(offsetof(cpu::CpuState, pkru)));
        write_guest(RAX, x86::rcx, 4);
        a_.mov(x86::ecx, 0);
        write_guest(RDX, x86::rcx, 4);
      });
    case ZYDIS_MNEMONIC_RDFSBASE:
    case ZYDIS_MNEMONIC_RDGSBASE: {
      const Seg segment = insn.mnemonic == ZYDIS_MNEMONIC_RDFSBASE ? Seg::FS : Seg::GS;
      test_cr4(Word::FsGsBaseMask);
      return emit_or_callout(i, [&] {
        const Mem from = ptr(x86::r15, segment_offset(segment) + static_cast<i32>(offsetof(cpu::SegmentRegister, base)));
        insn.operand[0].bytes == 8 ? a_.mov(x86::rcx, from) : a_.mov(x86::ecx, from);
        write_guest(insn.operand[0].reg / 8, x86::rcx, insn.operand[0].bytes);
      });
    }
    default:
      break;
  }
  // RDTSC and RDTSCP.
  a_.mov(x86::rcx, ptr(x86::r15, word_offset(Word::TscRefused)));
  emit_or_callout(i, [&] {
    const i32 left = static_cast<i32>(request_->plan.instructions.size() - i - 1);
    a_.lea(x86::rcx, ptr(x86::gpq(kBudget), left));
    a_.not_(x86::rcx);
    a_.mov(x86::r14, ptr(x86::r15, word_offset(Word::TscBase)));
    a_.lea(x86::r14, ptr(x86::r14, x86::rcx, 0, 1));
    a_.mov(x86::ecx, x86::r14d);
    write_guest(RAX, x86::rcx, 4);
    a_.rorx(x86::rcx, x86::r14, 32);
    a_.mov(x86::ecx, x86::ecx);
    write_guest(RDX, x86::rcx, 4);
    if (insn.mnemonic != ZYDIS_MNEMONIC_RDTSCP) return;
    a_.mov(x86::ecx, of_state(offsetof(cpu::CpuState, tsc_aux)));
    write_guest(RCX, x86::rcx, 4);
  });
}

/// While no interrupt waits, nobody can tell that STI holds them off for an instruction: see
/// Translator::Impl::settle_shadow.
void Emitter::emit_set_interrupts(size_t i) {
  emit_x87_pointers();
  a_.movzx(x86::ecx, x86::byte_ptr(x86::r15, cpu_.interrupt_line));
  emit_or_callout(i, [&] { replace_system_flags(Word::NoInterruptMask, static_cast<i32>(rflags::IF)); });
}

void Emitter::emit_swap_gs() {
  a_.mov(x86::rcx, ptr(x86::r15, kGsBase));
  a_.mov(x86::r14, ptr(x86::r15, kKernelGsBase));
  a_.mov(ptr(x86::r15, kKernelGsBase), x86::rcx);
  a_.mov(ptr(x86::r15, kGsBase), x86::r14);
  a_.mov(ptr(x86::r15, cpu_.gs_flat_base), x86::r14);
}

/// What PUSHF stores: neither RF nor VM, which are never set here.
void Emitter::emit_push_flags(size_t i) {
  constexpr u32 kOverflowShift = std::countr_zero(rflags::OF);
  const unsigned width = request_->block[i].stack_width;
  if (now_.adjust_is_stale) emit_clear_adjust();
  const HostMemory to = emit_access(i, request_->plan.instructions[i].uses[0], true);
  a_.mov(x86::r14, x86::rax);
  a_.lahf();
  a_.movzx(x86::ecx, x86::ah);
  a_.seto(x86::al);
  a_.movzx(x86::eax, x86::al);
  a_.rorx(x86::eax, x86::eax, 32 - kOverflowShift);
  // Bit 1 is set in both halves.
  a_.lea(x86::rcx, ptr(x86::rcx, x86::rax, 0, -static_cast<i32>(rflags::FIXED)));
  a_.mov(x86::rax, ptr(x86::r15, kSystemFlags));
  a_.lea(x86::rcx, ptr(x86::rcx, x86::rax));
  a_.mov(x86::rax, x86::r14);
  store_register(to, x86::rcx, width);
  move_stack(-static_cast<i32>(width));
}

/// Whatever happens, the arithmetic flags are overwritten.
void Emitter::emit_pop_flags(size_t i) {
  constexpr i32 kFollowed = rflags::TF | rflags::NT | rflags::IOPL;
  constexpr i32 kFollowedUpper = rflags::AC | rflags::ID;
  constexpr i32 kTaken = rflags::IF | rflags::DF;
  const unsigned width = request_->block[i].stack_width;
  emit_x87_pointers();
  const HostMemory from = emit_access(i, request_->plan.instructions[i].uses[0]);
  load_register(x86::r14, from, width);
  // What else changes, or lets an interrupt in that waits, is the handler's.
  a_.mov(x86::rcx, ptr(x86::r15, kSystemFlags));
  a_.xor_(x86::rcx, x86::r14);
  a_.and_(x86::ecx, width == 2 ? kFollowed : kFollowed | kFollowedUpper);
  a_.movzx(x86::r13d, x86::byte_ptr(x86::r15, cpu_.interrupt_line));
  a_.shl(x86::r13d, std::countr_zero(rflags::IF));
  a_.and_(x86::r13d, x86::r14d);
  a_.or_(x86::ecx, x86::r13d);
  const u32 simple = jump_if_placeholder(4);  // Zero.
  emit_callout(i);
  const u32 done = jump_placeholder();
  patch_here(simple);
  a_.mov(x86::rcx, ptr(x86::r15, kSystemFlags));
  a_.and_(x86::rcx, ~kTaken);
  a_.mov(x86::r13d, x86::r14d);
  a_.and_(x86::r13d, kTaken);
  a_.or_(x86::rcx, x86::r13);
  a_.mov(ptr(x86::r15, kSystemFlags), x86::rcx);
  move_stack(static_cast<i32>(width));
  pay_stack();
  a_.mov(x86::r13, x86::rax);
  a_.movzx(x86::eax, x86::r14b);
  a_.shl(x86::eax, 8);
  a_.bt(x86::r14d, std::countr_zero(rflags::OF));
  a_.adc(x86::al, 127);  // Overflows if the carry is set.
  a_.sahf();
  a_.mov(x86::rax, x86::r13);
  patch_here(done);
}

}  // namespace doppel::jit
