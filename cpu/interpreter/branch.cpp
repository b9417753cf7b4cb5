// Near transfers of control.
//
// The operand size says how much of the instruction pointer a branch keeps: 16-bit branches wrap
// within 64 KiB, also in a 32-bit segment. A target is checked before anything changes (limit of CS
// in legacy modes, canonical in 64-bit code), so a branch that faults leaves no return address
// behind. Far transfers are the monitor's.
//
// Calls, returns, indirect jumps and jumps backwards are noted for reports; forward jumps follow
// from the code itself.
// @source Intel SDM Vol. 2, "CALL", "JMP", "RET", "Jcc", "LOOP/LOOPcc"

#include "cpu/interpreter/operands.h"
#include "cpu/monitor.h"

namespace doppel::cpu {

namespace {

/// Cpu::branch_to, with the common cases answered here.
Result<void> go_to(Cpu& cpu, u64 target) {
  const bool allowed = cpu.code64() ? is_canonical(target, 48)
                                    : target <= cpu.state.segment(Seg::CS).limit;
  if (!allowed) [[unlikely]] return cpu.branch_to(target);
  cpu.state.rip() = target;
  return {};
}

/// Where a relative branch leads; RIP is past the instruction.
template <class T>
u64 relative_target(const Cpu& cpu, const Instruction& insn) {
  return static_cast<T>(cpu.state.rip() + insn.immediate);
}
u64 start_of(const Cpu& cpu, const Instruction& insn) { return cpu.state.rip() - insn.length; }

template <class T>
Result<void> jump_relative(Cpu& cpu, const Instruction& insn) {
  const u64 target = relative_target<T>(cpu, insn);
  const u64 from = start_of(cpu, insn);
  if (target <= from) cpu.note_branch(from, target);
  return go_to(cpu, target);
}

template <class T, unsigned kCondition>
[[gnu::flatten]] Result<void> interpret_jump_if(Cpu& cpu, const Instruction& insn) {
  if (!holds<kCondition>(cpu.state.flags)) return {};
  return jump_relative<T>(cpu, insn);
}
template <class T>
struct PickJump {
  template <unsigned kCondition>
  static constexpr Handler at() { return interpret_jump_if<T, kCondition>; }
};

/// JCXZ, JECXZ, JRCXZ: A is the count register's width.
template <class T, class A>
Result<void> interpret_jump_if_count_zero(Cpu& cpu, const Instruction& insn) {
  if (cpu.state.at<A>(RCX * 8) != 0) return {};
  return jump_relative<T>(cpu, insn);
}

enum class LoopWhile : u8 { Always, Equal, NotEqual };

/// The address size, not the operand size, says how wide the count is.
template <class T, class A, LoopWhile kWhile>
Result<void> interpret_loop(Cpu& cpu, const Instruction& insn) {
  const A count = static_cast<A>(cpu.state.at<A>(RCX * 8) - 1);
  const bool equal = cpu.state.flags.zf();
  const bool again = count != 0 && (kWhile == LoopWhile::Always ||
                                    equal == (kWhile == LoopWhile::Equal));
  if (again) DOPPEL_TRY(jump_relative<T>(cpu, insn));
  cpu.state.set_at<A>(RCX * 8, count);
  return {};
}

template <class T>
[[gnu::flatten]] Result<void> interpret_jump(Cpu& cpu, const Instruction& insn) {
  return jump_relative<T>(cpu, insn);
}

template <class T, bool kMemory>
[[gnu::flatten]] Result<void> interpret_jump_indirect(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(const T target, (read_source<T, kMemory>(cpu, insn, 0)));
  cpu.note_branch(start_of(cpu, insn), target);
  return go_to(cpu, target);
}

template <class T>
Result<void> call_to(Cpu& cpu, const Instruction& insn, u64 target) {
  const u64 back = cpu.state.rip();
  DOPPEL_TRY(go_to(cpu, target));
  // If the push faults the engine puts RIP back.
  DOPPEL_TRY(cpu.push<T>(static_cast<T>(back)));
  cpu.note_branch(back - insn.length, target);
  return {};
}
template <class T>
[[gnu::flatten]] Result<void> interpret_call(Cpu& cpu, const Instruction& insn) {
  return call_to<T>(cpu, insn, relative_target<T>(cpu, insn));
}
template <class T, bool kMemory>
[[gnu::flatten]] Result<void> interpret_call_indirect(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(const T target, (read_source<T, kMemory>(cpu, insn, 0)));
  return call_to<T>(cpu, insn, target);
}

/// RET, with or without bytes to release.
template <class T>
[[gnu::flatten]] Result<void> interpret_return(Cpu& cpu, const Instruction& insn) {
  const u64 from = start_of(cpu, insn);
  const u64 stack = cpu.stack_pointer();
  DOPPEL_TRY(const T target, cpu.load<T>(Seg::SS, stack));
  DOPPEL_TRY(go_to(cpu, target));
  // Zero where the instruction has no immediate.
  cpu.set_stack_pointer(stack + sizeof(T) + (insn.immediate & 0xffff));
  cpu.note_branch(from, target);
  return {};
}

template <class A>
Handler select_jump_if_count_zero(const Instruction& insn) {
  return by_word_width(
      insn.width, []<class T>() -> Handler { return interpret_jump_if_count_zero<T, A>; });
}
template <LoopWhile kWhile>
Handler select_loop_while(const Instruction& insn) {
  return by_word_width(insn.width, [&]<class T>() -> Handler {
    return by_address_size(insn,
                           []<class A>() -> Handler { return interpret_loop<T, A, kWhile>; });
  });
}

}  // namespace

Handler select_jcc(const Instruction& insn) {
  return by_word_width(insn.width, [&]<class T>() -> Handler {
    return by_condition<PickJump<T>>(condition_of(insn));
  });
}
Handler select_jcxz16(const Instruction& insn) { return select_jump_if_count_zero<u16>(insn); }
Handler select_jcxz32(const Instruction& insn) { return select_jump_if_count_zero<u32>(insn); }
Handler select_jcxz64(const Instruction& insn) { return select_jump_if_count_zero<u64>(insn); }
Handler select_loop(const Instruction& insn) {
  return select_loop_while<LoopWhile::Always>(insn);
}
Handler select_loope(const Instruction& insn) {
  return select_loop_while<LoopWhile::Equal>(insn);
}
Handler select_loopne(const Instruction& insn) {
  return select_loop_while<LoopWhile::NotEqual>(insn);
}

Handler select_jmp(const Instruction& insn) {
  if (is_far_transfer(insn)) return select_far_jump(insn);
  return by_word_width(insn.width, [&]<class T>() -> Handler {
    switch (insn.operand[0].kind) {
      case OperandKind::Relative: return interpret_jump<T>;
      case OperandKind::Gpr: return interpret_jump_indirect<T, false>;
      case OperandKind::Memory: return interpret_jump_indirect<T, true>;
      default: return interpret_invalid;
    }
  });
}
Handler select_call(const Instruction& insn) {
  if (is_far_transfer(insn)) return select_far_call(insn);
  return by_word_width(insn.width, [&]<class T>() -> Handler {
    switch (insn.operand[0].kind) {
      case OperandKind::Relative: return interpret_call<T>;
      case OperandKind::Gpr: return interpret_call_indirect<T, false>;
      case OperandKind::Memory: return interpret_call_indirect<T, true>;
      default: return interpret_invalid;
    }
  });
}
Handler select_ret(const Instruction& insn) {
  if (is_far_transfer(insn)) return select_far_return(insn);
  return by_word_width(insn.width,
                       []<class T>() -> Handler { return interpret_return<T>; });
}

}  // namespace doppel::cpu
