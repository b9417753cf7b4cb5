// JMP and CALL far: to a code segment, through a call gate, to a task.
//
// The selector decides what happens. A code segment is entered at the offset given; a gate brings
// its own selector and offset, and for CALL perhaps a more privileged level with a stack of its own;
// a TSS or task gate switches tasks.
//
// @source Intel SDM Vol. 2, "CALL", "JMP", "RET", Operation

#include "cpu/stack_frame.h"
#include "cpu/task_switch.h"
#include "cpu/transfer.h"

namespace doppel::cpu {
namespace {

struct CallGate {
  Selector selector;  ///< Of the code segment, not null.
  u64 offset = 0;
  unsigned width = 4;
  unsigned count = 0;  ///< Parameters to copy.
};

/// Direct transfer: the target's descriptor against CPL and RPL.
Result<void> check_direct_code(const Cpu& cpu, Selector selector, const Descriptor& code) {
  const Fault refused = gp(selector.error_code());
  const unsigned cpl = cpu.state.cpl;
  const bool size_conflict = is_code64(cpu, code) && (code.attributes() & attr::DB) != 0;
  if (!code.is_code() || size_conflict) return refused;
  if (code.is_conforming()) {
    if (code.dpl() > cpl) return refused;
  } else if (selector.rpl() > cpl || code.dpl() != cpl) {
    return refused;
  }
  if (!code.present()) return Fault::make(Vector::NP, selector.error_code());
  return {};
}

/// Reads a call gate whose first half is known.
Result<CallGate> read_call_gate(Cpu& cpu, Selector selector, Descriptor gate) {
  if (!gate.present()) return Fault::make(Vector::NP, selector.error_code());
  CallGate result;
  if (cpu.state.long_mode()) {
    DOPPEL_TRY(const DescriptorRef whole, read_descriptor(cpu, selector, Vector::GP, true));
    gate = whole.descriptor;
    result.width = 8;
    result.offset = gate.gate_offset64();
  } else if (gate.system_type() == SystemType::CallGate16) {
    result.width = 2;
    result.offset = gate.gate_offset32() & 0xffff;
    result.count = gate.gate_count();
  } else {
    result.offset = gate.gate_offset32();
    result.count = gate.gate_count();
  }
  result.selector = Selector{gate.gate_selector()};
  if (result.selector.is_null()) return gp();
  return result;
}

/// The code segment behind a gate. JMP may not change the level, CALL may raise it.
Result<DescriptorRef> read_gate_code(Cpu& cpu, Selector selector, bool jump) {
  DOPPEL_TRY(const DescriptorRef ref, read_descriptor(cpu, selector, Vector::GP));
  const Descriptor& code = ref.descriptor;
  const unsigned cpl = cpu.state.cpl;
  bool allowed = code.is_code() && code.dpl() <= cpl;
  if (jump && !code.is_conforming() && code.dpl() != cpl) allowed = false;
  if (cpu.state.long_mode()) {
    const u16 sizes = code.attributes() & (attr::L | attr::DB);
    if (sizes != attr::L) allowed = false;  // Gates of long mode lead to 64-bit code only.
  }
  if (!allowed) return gp(selector.error_code());
  if (!code.present()) return Fault::make(Vector::NP, selector.error_code());
  return ref;
}

enum class SystemTarget : u8 { CallGate, Task, TaskGate };

/// What kind of system descriptor this is, if it may be used here.
Result<SystemTarget> check_system_target(const Cpu& cpu, Selector selector, const Descriptor& d) {
  const Fault refused = gp(selector.error_code());
  SystemTarget target;
  switch (d.system_type()) {
    case SystemType::CallGate:
      target = SystemTarget::CallGate;
      break;
    case SystemType::CallGate16:
      if (cpu.state.long_mode()) return refused;
      target = SystemTarget::CallGate;
      break;
    case SystemType::TaskGate:
      if (cpu.state.long_mode()) return refused;
      target = SystemTarget::TaskGate;
      break;
    case SystemType::Tss16Available:
    case SystemType::TssAvailable:
      if (cpu.state.long_mode()) return refused;
      target = SystemTarget::Task;
      break;
    default:
      return refused;
  }
  if (d.dpl() < cpu.state.cpl || d.dpl() < selector.rpl()) return refused;
  return target;
}

Result<void> switch_through(Cpu& cpu, Selector selector, const Descriptor& d, SystemTarget target,
                            TaskSwitchCause cause) {
  if (!d.present()) return Fault::make(Vector::NP, selector.error_code());
  const Selector tss = target == SystemTarget::TaskGate ? Selector{d.gate_selector()} : selector;
  return switch_task(cpu, tss, cause, cpu.state.rip(), nullptr);
}

Result<void> jump_through_gate(Cpu& cpu, Selector selector, const Descriptor& d) {
  DOPPEL_TRY(const CallGate gate, read_call_gate(cpu, selector, d));
  DOPPEL_TRY(const DescriptorRef code, read_gate_code(cpu, gate.selector, true));
  DOPPEL_TRY(check_code_offset(cpu, code.descriptor, gate.offset));
  DOPPEL_TRY(mark_accessed(cpu, code));
  enter_code(cpu, gate.selector, code.descriptor, gate.offset, cpu.state.cpl);
  cpu.update_mode();
  return {};
}

/// To a more privileged level: onto its own stack, with the caller's stack and parameters.
Result<void> call_inner(Cpu& cpu, const CallGate& gate, const DescriptorRef& code) {
  CpuState& state = cpu.state;
  const unsigned level = code.descriptor.dpl();
  const bool flat = state.long_mode();
  DOPPEL_TRY(const InnerStack inner, flat ? inner_stack64(cpu, level, 0, 0) : inner_stack(cpu, level, 0));
  DOPPEL_TRY(check_code_offset(cpu, code.descriptor, gate.offset));

  StackFrame frame(cpu, gate.width, inner.ss, inner.pointer, level, flat);
  frame.push(state.segment(Seg::SS).selector);
  frame.push(flat ? state.gpr[RSP] : state.gpr[RSP] & 0xffff'ffff);
  for (unsigned i = gate.count; i-- > 0;) {
    StackReader parameter(cpu, gate.width);
    parameter.skip(u64{i} * gate.width);
    DOPPEL_TRY(const u64 value, parameter.pop());
    frame.push(value);
  }
  frame.push(state.segment(Seg::CS).selector);
  frame.push(state.rip());
  DOPPEL_TRY(mark_accessed(cpu, code));
  DOPPEL_TRY(frame.write(flat ? 0 : Selector{inner.ss.selector}.error_code()));

  state.segment(Seg::SS) = inner.ss;
  enter_code(cpu, gate.selector, code.descriptor, gate.offset, level);
  cpu.update_mode();
  cpu.set_stack_pointer(frame.pointer());
  return {};
}

Result<void> call_through_gate(Cpu& cpu, Selector selector, const Descriptor& d) {
  CpuState& state = cpu.state;
  DOPPEL_TRY(const CallGate gate, read_call_gate(cpu, selector, d));
  DOPPEL_TRY(const DescriptorRef code, read_gate_code(cpu, gate.selector, false));
  if (!code.descriptor.is_conforming() && code.descriptor.dpl() < state.cpl) {
    return call_inner(cpu, gate, code);
  }
  DOPPEL_TRY(check_code_offset(cpu, code.descriptor, gate.offset));
  DOPPEL_TRY(mark_accessed(cpu, code));
  const bool flat = state.long_mode();
  StackFrame frame(cpu, gate.width, state.segment(Seg::SS), cpu.stack_pointer(), state.cpl, flat);
  frame.push(state.segment(Seg::CS).selector);
  frame.push(state.rip());
  DOPPEL_TRY(frame.write(0));
  enter_code(cpu, gate.selector, code.descriptor, gate.offset, state.cpl);
  cpu.update_mode();
  cpu.set_stack_pointer(frame.pointer());
  return {};
}

/// Real and virtual-8086 mode: no descriptors, the limit still counts.
void enter_real_code(Cpu& cpu, u16 selector, u64 offset) {
  set_real_segment(cpu.state.segment(Seg::CS), selector, cpu.state.v86());
  cpu.state.rip() = offset;
  cpu.update_mode();
}

}  // namespace

Result<void> check_code_offset(const Cpu& cpu, const Descriptor& code, u64 offset, u32 error_code) {
  const bool reachable = is_code64(cpu, code) ? is_canonical(offset, cpu.mmu.linear_bits())
                                              : offset <= code.limit();
  if (!reachable) return gp(error_code);
  return {};
}

void enter_code(Cpu& cpu, Selector selector, const Descriptor& code, u64 offset, unsigned cpl) {
  const Selector with_cpl{static_cast<u16>((selector.value & ~3u) | cpl)};
  cpu.state.segment(Seg::CS) = make_segment(with_cpl, code);
  cpu.state.cpl = static_cast<u8>(cpl);
  cpu.state.rip() = offset;
}

Result<void> far_jump(Cpu& cpu, u16 value, u64 offset, unsigned /*width*/) {
  CpuState& state = cpu.state;
  if (state.real_or_v86()) {
    if (offset > state.segment(Seg::CS).limit) return gp();
    enter_real_code(cpu, value, offset);
    return {};
  }
  const Selector selector{value};
  if (selector.is_null()) return gp();
  DOPPEL_TRY(const DescriptorRef ref, read_descriptor(cpu, selector, Vector::GP));
  const Descriptor& d = ref.descriptor;
  if (d.is_system()) {
    DOPPEL_TRY(const SystemTarget target, check_system_target(cpu, selector, d));
    if (target == SystemTarget::CallGate) return jump_through_gate(cpu, selector, d);
    return switch_through(cpu, selector, d, target, TaskSwitchCause::Jump);
  }
  DOPPEL_TRY(check_direct_code(cpu, selector, d));
  DOPPEL_TRY(check_code_offset(cpu, d, offset));
  DOPPEL_TRY(mark_accessed(cpu, ref));
  enter_code(cpu, selector, d, offset, state.cpl);
  cpu.update_mode();
  return {};
}

Result<void> far_call(Cpu& cpu, u16 value, u64 offset, unsigned width) {
  CpuState& state = cpu.state;
  const Selector selector{value};
  DescriptorRef ref;
  const bool real = state.real_or_v86();
  if (real) {
    if (offset > state.segment(Seg::CS).limit) return gp();
  } else {
    if (selector.is_null()) return gp();
    DOPPEL_TRY(ref, read_descriptor(cpu, selector, Vector::GP));
    const Descriptor& d = ref.descriptor;
    if (d.is_system()) {
      DOPPEL_TRY(const SystemTarget target, check_system_target(cpu, selector, d));
      if (target == SystemTarget::CallGate) return call_through_gate(cpu, selector, d);
      return switch_through(cpu, selector, d, target, TaskSwitchCause::Call);
    }
    DOPPEL_TRY(check_direct_code(cpu, selector, d));
    DOPPEL_TRY(check_code_offset(cpu, d, offset));
    DOPPEL_TRY(mark_accessed(cpu, ref));
  }
  StackFrame frame(cpu, width);
  frame.push(state.segment(Seg::CS).selector);
  frame.push(state.rip());
  DOPPEL_TRY(frame.write(0));
  cpu.set_stack_pointer(frame.pointer());
  if (real) {
    enter_real_code(cpu, value, offset);
  } else {
    enter_code(cpu, selector, ref.descriptor, offset, state.cpl);
    cpu.update_mode();
  }
  return {};
}

}  // namespace doppel::cpu
