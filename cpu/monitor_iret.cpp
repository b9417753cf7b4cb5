// IRET in its seven lives: real mode, virtual-8086 mode, back to it, the same level, an outer level,
// the previous task, long mode.
//
// @source Intel SDM Vol. 2, "IRET/IRETD/IRETQ", Operation

#include "cpu/instruction_table.h"
#include "cpu/monitor.h"
#include "cpu/stack_frame.h"
#include "cpu/task_switch.h"
#include "cpu/transfer.h"

namespace doppel::cpu {
namespace {

constexpr u64 kAlways = rflags::kArithmetic | rflags::TF | rflags::DF | rflags::NT;
constexpr u64 kUpper = rflags::RF | rflags::AC | rflags::ID;

/// What every frame begins with.
struct Frame {
  u64 rip = 0;
  Selector cs;
  u64 flags = 0;
};

Result<Frame> pop_frame(StackReader& stack) {
  Frame frame;
  DOPPEL_TRY(frame.rip, stack.pop());
  DOPPEL_TRY(const u64 cs, stack.pop());
  frame.cs.value = static_cast<u16>(cs);
  DOPPEL_TRY(frame.flags, stack.pop());
  return frame;
}

/// NMIs were held off while the handler ran.
void unblock_nmi(Cpu& cpu) {
  if (!cpu.state.nmi_blocked) return;
  cpu.state.nmi_blocked = false;
  if (cpu.nmi_pending()) cpu.attention = true;
}

/// As Cpu::write_flags, for a caller that calls update_mode() or update_code_and_stack() afterwards.
void load_flags(Cpu& cpu, u64 value, u64 mask) {
  CpuState& state = cpu.state;
  state.set_rflags((state.rflags() & ~mask) | (value & mask));
  if (cpu.intr() && cpu.interrupts_enabled()) cpu.attention = true;
}

/// Flags that a protected-mode IRET at `cpl` may load; the upper ones need a wide operand.
u64 loadable_flags(const CpuState& state, unsigned cpl, unsigned width) {
  u64 mask = kAlways;
  if (width != 2) mask |= kUpper;
  if (cpl <= state.iopl()) mask |= rflags::IF;
  if (cpl == 0) {
    mask |= rflags::IOPL;
    if (width != 2) mask |= rflags::VIF | rflags::VIP;
  }
  return mask;
}

void enter_real(Cpu& cpu, const Frame& frame, u64 sp) {
  cpu.set_stack_pointer(sp);
  set_real_segment(cpu.state.segment(Seg::CS), frame.cs.value, cpu.state.v86());
  cpu.state.rip() = frame.rip;
}

Result<void> return_real(Cpu& cpu, unsigned width) {
  StackReader stack(cpu, width);
  DOPPEL_TRY(const Frame frame, pop_frame(stack));
  if (frame.rip > cpu.state.segment(Seg::CS).limit) return gp();
  enter_real(cpu, frame, stack.pointer());
  u64 mask = kAlways | rflags::IF | rflags::IOPL;
  if (width != 2) mask |= kUpper;
  load_flags(cpu, frame.flags, mask);
  cpu.update_mode();
  unblock_nmi(cpu);
  return {};
}

Result<void> return_within_v86(Cpu& cpu, unsigned width) {
  CpuState& state = cpu.state;
  const bool virtual_flag = state.iopl() != 3;
  if (virtual_flag && ((state.cr4 & cr4::VME) == 0 || width != 2)) return gp();
  StackReader stack(cpu, width);
  DOPPEL_TRY(Frame frame, pop_frame(stack));
  if (frame.rip > state.segment(Seg::CS).limit) return gp();
  u64 mask = kAlways | (width != 2 ? kUpper : 0);
  if (virtual_flag) {
    const bool wants_interrupts = (frame.flags & rflags::IF) != 0;
    if ((frame.flags & rflags::TF) != 0 || (wants_interrupts && state.test(rflags::VIP))) return gp();
    frame.flags = (frame.flags & ~rflags::VIF) | (wants_interrupts ? rflags::VIF : 0);
    mask |= rflags::VIF;
  } else {
    mask |= rflags::IF;
  }
  enter_real(cpu, frame, stack.pointer());
  load_flags(cpu, frame.flags, mask);
  cpu.update_mode();
  unblock_nmi(cpu);
  return {};
}

/// From ring 0 to a virtual-8086 program: the frame holds all its segments.
Result<void> return_to_v86(Cpu& cpu, const Frame& frame, StackReader& stack) {
  CpuState& state = cpu.state;
  DOPPEL_TRY(const u64 sp, stack.pop());
  DOPPEL_TRY(const u64 ss, stack.pop());
  u16 selectors[kSegCount] = {};
  selectors[static_cast<unsigned>(Seg::CS)] = frame.cs.value;
  selectors[static_cast<unsigned>(Seg::SS)] = static_cast<u16>(ss);
  for (const Seg segment : {Seg::ES, Seg::DS, Seg::FS, Seg::GS}) {
    DOPPEL_TRY(const u64 value, stack.pop());
    selectors[static_cast<unsigned>(segment)] = static_cast<u16>(value);
  }
  for (unsigned i = 0; i < kSegCount; ++i) set_real_segment(state.seg[i], selectors[i], true);
  // Simplified: an EIP beyond 64 KiB faults at the first fetch, in the virtual-8086 program.
  state.rip() = frame.rip;
  state.gpr[RSP] = sp;
  state.cpl = 3;
  load_flags(cpu, frame.flags, rflags::kDefined);
  cpu.update_mode();
  unblock_nmi(cpu);
  return {};
}

Result<void> return_from_task(Cpu& cpu) {
  CpuState& state = cpu.state;
  DOPPEL_TRY(const u16 link, cpu.mmu.read_system<u16>(LinearAddr(state.tr.base)));
  DOPPEL_TRY(switch_task(cpu, Selector{link}, TaskSwitchCause::Return, state.rip(), nullptr));
  unblock_nmi(cpu);
  return {};
}

/// Protected and long mode, to the same or an outer level.
Result<void> return_to_code(Cpu& cpu, const Frame& frame, StackReader& stack, unsigned width) {
  CpuState& state = cpu.state;
  const unsigned level = frame.cs.rpl();
  const unsigned old_cpl = state.cpl;
  DOPPEL_TRY(const DescriptorRef code, check_return_code(cpu, frame.cs));
  // 64-bit code always takes SS:RSP from the frame.
  const bool takes_stack = cpu.code64() || level > old_cpl;
  u64 outer_pointer = 0;
  SegmentRegister ss;
  if (takes_stack) {
    DOPPEL_TRY(outer_pointer, stack.pop());
    DOPPEL_TRY(const u64 selector, stack.pop());
    DOPPEL_TRY(ss, check_return_stack(cpu, Selector{static_cast<u16>(selector)}, level, code.descriptor));
  }
  DOPPEL_TRY(check_code_offset(cpu, code.descriptor, frame.rip));
  DOPPEL_TRY(mark_accessed(cpu, code));

  const u64 mask = loadable_flags(state, old_cpl, width);
  if (takes_stack) {
    state.segment(Seg::SS) = ss;
  } else {
    cpu.set_stack_pointer(stack.pointer());
  }
  enter_code(cpu, frame.cs, code.descriptor, frame.rip, level);
  if (level > old_cpl) drop_inner_segments(cpu);
  load_flags(cpu, frame.flags, mask);
  cpu.update_code_and_stack();
  if (takes_stack) cpu.set_stack_pointer(outer_pointer);
  unblock_nmi(cpu);
  return {};
}

template <unsigned kWidth>
Result<void> interpret_iret(Cpu& cpu, const Instruction&) {
  CpuState& state = cpu.state;
  if (!state.protected_mode()) return return_real(cpu, kWidth);
  if (state.v86()) return return_within_v86(cpu, kWidth);
  if (state.test(rflags::NT)) {
    if (state.long_mode()) return gp();
    return return_from_task(cpu);
  }
  StackReader stack(cpu, kWidth);
  DOPPEL_TRY(const Frame frame, pop_frame(stack));
  const bool to_v86 = kWidth == 4 && (frame.flags & rflags::VM) != 0 && state.cpl == 0 && !state.long_mode();
  if (to_v86) return return_to_v86(cpu, frame, stack);
  return return_to_code(cpu, frame, stack, kWidth);
}

}  // namespace

Handler select_iret(const Instruction& insn) {
  switch (insn.width) {
    case 2: return interpret_iret<2>;
    case 4: return interpret_iret<4>;
    case 8: return interpret_iret<8>;
    default: return interpret_invalid;
  }
}

}  // namespace doppel::cpu
