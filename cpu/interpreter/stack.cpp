// PUSH and POP, all registers at once, and procedure frames.
//
// Three sizes meet here: the operand's (what is pushed), the stack's (how much of RSP counts: SS.B,
// or 64-bit code) and the address's (where a memory operand lies). Instructions that touch several
// places first ask whether all of them may be touched.
// @source Intel SDM Vol. 2, "PUSH", "POP", "PUSHA/PUSHAD", "POPA/POPAD", "ENTER", "LEAVE"

#include "cpu/interpreter/operands.h"
#include "cpu/monitor.h"

namespace doppel::cpu {

namespace {

/// Would this access to the stack segment succeed?
Result<void> probe_stack(Cpu& cpu, u64 offset, size_t size, Access access) {
  DOPPEL_TRY(const LinearAddr address, cpu.linear(Seg::SS, offset, size, access));
  const Result<void> result = cpu.mmu.probe(address, size, access);
  if (!result.ok()) return Cpu::data_fault(Seg::SS, result.error());
  return {};
}

template <class T>
[[gnu::flatten]] Result<void> interpret_push_register(Cpu& cpu, const Instruction& insn) {
  // PUSH SP pushes the value from before.
  return cpu.push<T>(read_register<T>(cpu, insn, 0));
}
template <class T>
[[gnu::flatten]] Result<void> interpret_push_memory(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(const T value, cpu.load_operand<T>(insn));
  return cpu.push<T>(value);
}
template <class T>
[[gnu::flatten]] Result<void> interpret_push_constant(Cpu& cpu, const Instruction& insn) {
  return cpu.push<T>(static_cast<T>(insn.immediate));
}

template <class T>
[[gnu::flatten]] Result<void> interpret_pop_register(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(const T value, cpu.pop<T>());
  // POP SP keeps the value, not the incremented pointer.
  write_register<T>(cpu, insn, 0, value);
  return {};
}
/// The address is computed with the stack pointer already incremented.
template <class T>
Result<void> interpret_pop_memory(Cpu& cpu, const Instruction& insn) {
  const u64 stack_before = cpu.state.gpr[RSP];
  DOPPEL_TRY(const T value, cpu.pop<T>());
  const Result<void> stored = cpu.store_operand<T>(insn, value);
  if (!stored.ok()) [[unlikely]] cpu.state.gpr[RSP] = stack_before;
  return stored;
}

template <class T>
Result<void> interpret_pusha(Cpu& cpu, const Instruction&) {
  const u64 top = cpu.stack_pointer();
  const auto slot = [&](unsigned reg) { return (top - (reg + 1) * sizeof(T)) & cpu.stack_mask(); };
  for (unsigned reg = RAX; reg <= RDI; ++reg) {
    DOPPEL_TRY(probe_stack(cpu, slot(reg), sizeof(T), Access::Write));
  }
  for (unsigned reg = RAX; reg <= RDI; ++reg) {
    DOPPEL_TRY(cpu.store<T>(Seg::SS, slot(reg), cpu.state.at<T>(reg * 8)));
  }
  cpu.set_stack_pointer(slot(RDI));
  return {};
}
/// The image of the stack pointer is skipped.
template <class T>
Result<void> interpret_popa(Cpu& cpu, const Instruction&) {
  const u64 bottom = cpu.stack_pointer();
  T values[8];
  for (unsigned n = 0; n < 8; ++n) {
    const unsigned reg = RDI - n;  // Upwards: the first page that is missing is the one reported.
    if (reg == RSP) continue;
    DOPPEL_TRY(values[reg], cpu.load<T>(Seg::SS, (bottom + n * sizeof(T)) & cpu.stack_mask()));
  }
  for (unsigned reg = RAX; reg <= RDI; ++reg) {
    if (reg != RSP) cpu.state.set_at<T>(reg * 8, values[reg]);
  }
  cpu.set_stack_pointer(bottom + 8 * sizeof(T));
  return {};
}

/// ENTER: pushes the frame pointer, copies the frame pointers of the enclosing procedures, and
/// makes room. The processor also checks that the new top of the stack can be written.
template <class T>
Result<void> interpret_enter(Cpu& cpu, const Instruction& insn) {
  CpuState& state = cpu.state;
  const u64 mask = cpu.stack_mask();
  const u64 room = insn.immediate & 0xffff;
  const unsigned level = insn.immediate2 & 31;
  const u64 frame = (cpu.stack_pointer() - sizeof(T)) & mask;
  const u64 outer = state.gpr[RBP];
  // A 32-bit frame on a 16-bit stack gets all of ESP, as the manual's FrameTemp.
  const T frame_pointer = static_cast<T>((state.gpr[RSP] & ~mask) | frame);
  // After the frame pointer: level - 1 copies and the new frame's own pointer, downwards.
  const auto pushed = [&](unsigned n) { return (frame - n * sizeof(T)) & mask; };
  const auto copied = [&](unsigned n) { return (outer - n * sizeof(T)) & mask; };
  const u64 top = (pushed(level) - room) & mask;

  for (unsigned n = 0; n <= level; ++n) {
    DOPPEL_TRY(probe_stack(cpu, pushed(n), sizeof(T), Access::Write));
    if (n > 0 && n < level) DOPPEL_TRY(probe_stack(cpu, copied(n), sizeof(T), Access::Read));
  }
  DOPPEL_TRY(probe_stack(cpu, top, sizeof(T), Access::Write));

  DOPPEL_TRY(cpu.store<T>(Seg::SS, frame, static_cast<T>(outer)));
  for (unsigned n = 1; n < level; ++n) {
    DOPPEL_TRY(const T enclosing, cpu.load<T>(Seg::SS, copied(n)));
    DOPPEL_TRY(cpu.store<T>(Seg::SS, pushed(n), enclosing));
  }
  if (level > 0) DOPPEL_TRY(cpu.store<T>(Seg::SS, pushed(level), frame_pointer));
  state.set_at<T>(RBP * 8, frame_pointer);
  cpu.set_stack_pointer(top);
  return {};
}

template <class T>
[[gnu::flatten]] Result<void> interpret_leave(Cpu& cpu, const Instruction&) {
  const u64 frame = cpu.state.gpr[RBP] & cpu.stack_mask();
  DOPPEL_TRY(const T outer, cpu.load<T>(Seg::SS, frame));
  cpu.set_stack_pointer(frame + sizeof(T));
  cpu.state.set_at<T>(RBP * 8, outer);
  return {};
}

}  // namespace

Handler select_push(const Instruction& insn) {
  if (insn.operand[0].kind == OperandKind::Segment) return select_push_segment(insn);
  return by_word_width(insn.width, [&]<class T>() -> Handler {
    switch (insn.operand[0].kind) {
      case OperandKind::Gpr: return interpret_push_register<T>;
      case OperandKind::Memory: return interpret_push_memory<T>;
      case OperandKind::Immediate: return interpret_push_constant<T>;
      default: return interpret_invalid;
    }
  });
}
Handler select_pop(const Instruction& insn) {
  if (insn.operand[0].kind == OperandKind::Segment) return select_pop_segment(insn);
  return by_word_width(insn.width, [&]<class T>() -> Handler {
    switch (insn.operand[0].kind) {
      case OperandKind::Gpr: return interpret_pop_register<T>;
      case OperandKind::Memory: return interpret_pop_memory<T>;
      default: return interpret_invalid;
    }
  });
}
Handler select_pusha(const Instruction&) { return interpret_pusha<u16>; }
Handler select_pushad(const Instruction&) { return interpret_pusha<u32>; }
Handler select_popa(const Instruction&) { return interpret_popa<u16>; }
Handler select_popad(const Instruction&) { return interpret_popa<u32>; }
Handler select_enter(const Instruction& insn) {
  return by_word_width(insn.width,
                       []<class T>() -> Handler { return interpret_enter<T>; });
}
Handler select_leave(const Instruction& insn) {
  return by_word_width(insn.width,
                       []<class T>() -> Handler { return interpret_leave<T>; });
}

}  // namespace doppel::cpu
