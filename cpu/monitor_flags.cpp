// CLI, STI, PUSHF and POPF: who may see and change IF and IOPL.
//
// Programs below IOPL keep a virtual interrupt flag instead where the system lets them: in
// virtual-8086 mode with CR4.VME, in ring 3 with CR4.PVI. VIP says that an interrupt waits for it.
//
// @source Intel SDM Vol. 2, "CLI", "STI", "PUSHF", "POPF", decision tables;
//         Vol. 3B, "Virtual-8086 Mode Extensions", "Protected-Mode Virtual Interrupts"

#include "cpu/instruction_table.h"
#include "cpu/monitor.h"

namespace doppel::cpu {
namespace {

enum class Control : u8 { Real, Virtual, None };

/// Which interrupt flag CLI and STI reach.
Control interrupt_control(const Cpu& cpu) {
  const CpuState& state = cpu.state;
  if (!state.protected_mode()) return Control::Real;
  if (state.v86()) {
    if (state.iopl() == 3) return Control::Real;
    return (state.cr4 & cr4::VME) != 0 ? Control::Virtual : Control::None;
  }
  if (state.cpl <= state.iopl()) return Control::Real;
  return state.cpl == 3 && (state.cr4 & cr4::PVI) != 0 ? Control::Virtual : Control::None;
}

Result<void> interpret_cli(Cpu& cpu, const Instruction&) {
  switch (interrupt_control(cpu)) {
    case Control::Real: cpu.write_flags(0, rflags::IF); return {};
    case Control::Virtual: cpu.write_flags(0, rflags::VIF); return {};
    case Control::None: break;
  }
  return gp();
}

Result<void> interpret_sti(Cpu& cpu, const Instruction&) {
  switch (interrupt_control(cpu)) {
    case Control::Real:
      // Interrupts come after the next instruction: STI; RET and STI; HLT rely on it.
      if (!cpu.state.test(rflags::IF)) cpu.state.interrupt_shadow = true;
      cpu.write_flags(rflags::IF, rflags::IF);
      return {};
    case Control::Virtual:
      if (cpu.state.test(rflags::VIP)) break;
      cpu.write_flags(rflags::VIF, rflags::VIF);
      return {};
    case Control::None: break;
  }
  return gp();
}

template <class T>
Result<void> interpret_pushf(Cpu& cpu, const Instruction&) {
  const CpuState& state = cpu.state;
  u64 image = state.rflags() & ~(rflags::VM | rflags::RF);
  if (state.v86() && state.iopl() != 3) {
    if ((state.cr4 & cr4::VME) == 0 || sizeof(T) != 2) return gp();
    image = (image & ~rflags::IF) | rflags::IOPL | (state.test(rflags::VIF) ? rflags::IF : 0);
  }
  return cpu.push<T>(static_cast<T>(image));
}

constexpr u64 kAlways = rflags::kArithmetic | rflags::TF | rflags::DF | rflags::NT;
constexpr u64 kUpper = rflags::AC | rflags::ID | rflags::RF;

/// Virtual-8086 mode with IOPL below 3: the program changes VIF where it thinks it changes IF.
Result<void> popf_virtual(Cpu& cpu, u64 image, u64 sp) {
  const CpuState& state = cpu.state;
  const bool wants_interrupts = (image & rflags::IF) != 0;
  if ((image & rflags::TF) != 0 || (wants_interrupts && state.test(rflags::VIP))) return gp();
  cpu.set_stack_pointer(sp);
  cpu.write_flags((image & ~rflags::VIF) | (wants_interrupts ? rflags::VIF : 0), kAlways | rflags::VIF);
  return {};
}

template <class T>
Result<void> interpret_popf(Cpu& cpu, const Instruction&) {
  CpuState& state = cpu.state;
  const u64 sp = cpu.stack_pointer();
  u64 mask = kAlways | (sizeof(T) == 2 ? 0 : kUpper);
  if (state.v86() && state.iopl() != 3) {
    if ((state.cr4 & cr4::VME) == 0 || sizeof(T) != 2) return gp();
    DOPPEL_TRY(const T image, cpu.load<T>(Seg::SS, sp));
    return popf_virtual(cpu, image, sp + sizeof(T));
  }
  DOPPEL_TRY(const T popped, cpu.load<T>(Seg::SS, sp));
  u64 image = popped;
  image &= ~rflags::RF;  // POPF clears RF whatever the image says.
  if (state.v86()) {
    mask |= rflags::IF;
  } else {
    if (state.cpl == 0) mask |= rflags::IOPL;
    if (state.cpl <= state.iopl()) mask |= rflags::IF;
  }
  cpu.set_stack_pointer(sp + sizeof(T));
  cpu.write_flags(image, mask);
  return {};
}

template <template <class> class Pick>
Handler by_stack_width(const Instruction& insn) {
  switch (insn.stack_width) {
    case 2: return Pick<u16>::handler;
    case 4: return Pick<u32>::handler;
    case 8: return Pick<u64>::handler;
    default: return interpret_invalid;
  }
}
template <class T>
struct Pushf {
  static constexpr Handler handler = interpret_pushf<T>;
};
template <class T>
struct Popf {
  static constexpr Handler handler = interpret_popf<T>;
};

}  // namespace

Handler select_cli(const Instruction&) { return interpret_cli; }
Handler select_sti(const Instruction&) { return interpret_sti; }
Handler select_pushf(const Instruction& insn) { return by_stack_width<Pushf>(insn); }
Handler select_popf(const Instruction& insn) { return by_stack_width<Popf>(insn); }

}  // namespace doppel::cpu
