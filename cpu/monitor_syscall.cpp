// SYSENTER, SYSEXIT, SYSCALL, SYSRET, SWAPGS and the FS/GS base instructions.
//
// Fast system calls load CS and SS with flat segments made from a selector alone: no descriptor is
// read, and the system promises that the table says the same.
//
// @source Intel SDM Vol. 2, the instructions' pages; Vol. 3A, "Fast System Calls in 64-Bit Mode"

#include <utility>

#include "cpu/instruction_table.h"
#include "cpu/monitor.h"

namespace doppel::cpu {
namespace {

enum class CodeKind : u8 { Bits32, Bits64 };

/// In place: a copy of what has just been written in pieces waits for all of them.
void make_flat(SegmentRegister& segment, u16 selector, unsigned level, u16 type) {
  segment.base = 0;
  segment.selector = selector;
  segment.limit = 0xffff'ffff;
  segment.attributes = static_cast<u16>(attr::P | attr::S | attr::G | attr::A | attr::RW | type |
                                        level << attr::kDplShift);
  segment.low = 0;
  segment.high = segment.limit;
}

/// Loads CS, SS and CPL. The caller sets RIP and RSP, then calls update_code_and_stack().
void enter_flat(Cpu& cpu, u16 code, u16 stack, unsigned level, CodeKind kind) {
  CpuState& state = cpu.state;
  const u16 size = kind == CodeKind::Bits64 ? attr::L : attr::DB;
  make_flat(state.segment(Seg::CS), code, level, attr::CODE | size);
  make_flat(state.segment(Seg::SS), stack, level, attr::DB);
  state.cpl = static_cast<u8>(level);
}

Result<void> interpret_sysenter(Cpu& cpu, const Instruction&) {
  CpuState& state = cpu.state;
  if (!cpu.has(Feature::sep)) return ud();
  const u16 code = static_cast<u16>(state.sysenter_cs & 0xfffc);
  if (!state.protected_mode() || code == 0) return gp();
  const bool long_mode = state.long_mode();
  state.system_flags &= ~(rflags::VM | rflags::IF | rflags::RF);
  enter_flat(cpu, code, static_cast<u16>(code + 8), 0, long_mode ? CodeKind::Bits64 : CodeKind::Bits32);
  state.gpr[RSP] = long_mode ? state.sysenter_esp : state.sysenter_esp & 0xffff'ffff;
  state.rip() = long_mode ? state.sysenter_eip : state.sysenter_eip & 0xffff'ffff;
  cpu.update_code_and_stack();
  return {};
}

Result<void> interpret_sysexit(Cpu& cpu, const Instruction& insn) {
  CpuState& state = cpu.state;
  if (!cpu.has(Feature::sep)) return ud();
  const u16 base = static_cast<u16>(state.sysenter_cs & 0xfffc);
  if (!state.protected_mode() || base == 0 || state.cpl != 0) return gp();
  const bool to64 = cpu.code64() && insn.has(prefix::kRexW);
  u64 target = state.gpr[RDX];
  u64 stack = state.gpr[RCX];
  if (to64) {
    const unsigned bits = cpu.mmu.linear_bits();
    if (!is_canonical(target, bits) || !is_canonical(stack, bits)) return gp();
  } else {
    target &= 0xffff'ffff;
    stack &= 0xffff'ffff;
  }
  const u16 code = static_cast<u16>((base + (to64 ? 32 : 16)) | 3);
  enter_flat(cpu, code, static_cast<u16>(code + 8), 3, to64 ? CodeKind::Bits64 : CodeKind::Bits32);
  state.rip() = target;
  state.gpr[RSP] = stack;
  cpu.update_code_and_stack();
  return {};
}

/// On Intel's processors SYSCALL exists in 64-bit code only.
bool has_syscall(const Cpu& cpu) { return cpu.code64() && (cpu.state.efer & efer::SCE) != 0; }

Result<void> interpret_syscall(Cpu& cpu, const Instruction&) {
  CpuState& state = cpu.state;
  if (!has_syscall(cpu)) return ud();
  const u64 flags = state.rflags();
  state.gpr[RCX] = state.rip();
  state.gpr[R11] = flags & ~rflags::RF;
  const u16 code = static_cast<u16>(state.star >> 32 & 0xfffc);
  enter_flat(cpu, code, static_cast<u16>(code + 8), 0, CodeKind::Bits64);
  state.rip() = state.lstar;
  state.set_rflags(flags & ~state.sfmask & ~rflags::RF);
  cpu.update_code_and_stack();
  return {};
}

Result<void> interpret_sysret(Cpu& cpu, const Instruction& insn) {
  CpuState& state = cpu.state;
  if (!has_syscall(cpu)) return ud();
  DOPPEL_TRY(require_cpl0(cpu));
  const bool to64 = insn.has(prefix::kRexW);
  const u64 target = state.gpr[RCX];
  if (to64 && !is_canonical(target, cpu.mmu.linear_bits())) return gp();
  constexpr u64 kRestored = 0x3c'7fd7;
  const u16 base = static_cast<u16>(state.star >> 48);
  const u16 code = static_cast<u16>((base + (to64 ? 16 : 0)) | 3);
  enter_flat(cpu, code, static_cast<u16>((base + 8) | 3), 3, to64 ? CodeKind::Bits64 : CodeKind::Bits32);
  state.rip() = to64 ? target : target & 0xffff'ffff;
  // Without VM, which cannot be restored here, and RF.
  state.set_rflags(state.gpr[R11] & kRestored);
  if (cpu.intr() && cpu.interrupts_enabled()) cpu.attention = true;
  cpu.update_code_and_stack();
  // A step over SYSCALL ends here, as if it had just completed.
  if (state.test(rflags::TF)) cpu.raise_debug_trap(dr6::BS);
  return {};
}

Result<void> interpret_swapgs(Cpu& cpu, const Instruction&) {
  if (!cpu.code64()) return ud();
  DOPPEL_TRY(require_cpl0(cpu));
  std::swap(cpu.state.segment(Seg::GS).base, cpu.state.kernel_gs_base);
  cpu.update_segment(Seg::GS);
  return {};
}

template <Seg kSegment>
Result<void> interpret_read_base(Cpu& cpu, const Instruction& insn) {
  if (!cpu.code64() || (cpu.state.cr4 & cr4::FSGSBASE) == 0) return ud();
  const u64 base = cpu.state.segment(kSegment).base;
  if (insn.operand[0].bytes == 8) {
    cpu.state.set_at<u64>(insn.operand[0].reg, base);
  } else {
    cpu.state.set_at<u32>(insn.operand[0].reg, static_cast<u32>(base));
  }
  return {};
}

template <Seg kSegment>
Result<void> interpret_write_base(Cpu& cpu, const Instruction& insn) {
  if (!cpu.code64() || (cpu.state.cr4 & cr4::FSGSBASE) == 0) return ud();
  const u8 reg = insn.operand[0].reg;
  const u64 base = insn.operand[0].bytes == 8 ? cpu.state.at<u64>(reg) : cpu.state.at<u32>(reg);
  if (!is_canonical(base, cpu.mmu.linear_bits())) return gp();
  cpu.state.segment(kSegment).base = base;
  cpu.update_segment(kSegment);
  return {};
}

}  // namespace

Handler select_sysenter(const Instruction&) { return interpret_sysenter; }
Handler select_sysexit(const Instruction&) { return interpret_sysexit; }
Handler select_syscall(const Instruction&) { return interpret_syscall; }
Handler select_sysret(const Instruction&) { return interpret_sysret; }
Handler select_swapgs(const Instruction&) { return interpret_swapgs; }
Handler select_rdfsbase(const Instruction&) { return interpret_read_base<Seg::FS>; }
Handler select_rdgsbase(const Instruction&) { return interpret_read_base<Seg::GS>; }
Handler select_wrfsbase(const Instruction&) { return interpret_write_base<Seg::FS>; }
Handler select_wrgsbase(const Instruction&) { return interpret_write_base<Seg::GS>; }

}  // namespace doppel::cpu
