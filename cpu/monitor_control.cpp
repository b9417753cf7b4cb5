// MOV to and from control and debug registers, LMSW, SMSW, CLTS.
//
// @source Intel SDM Vol. 2, the instructions' pages; Vol. 3B, "Debug Registers"

#include "cpu/control_registers.h"
#include "cpu/cpuid.h"
#include "cpu/instruction_table.h"
#include "cpu/monitor.h"

namespace doppel::cpu {
namespace {

u64 read_general(const Cpu& cpu, const Operand& operand) {
  return cpu.code64() ? cpu.state.at<u64>(operand.reg) : cpu.state.at<u32>(operand.reg);
}
void write_general(Cpu& cpu, const Operand& operand, u64 value) {
  if (cpu.code64()) {
    cpu.state.set_at<u64>(operand.reg, value);
  } else {
    cpu.state.set_at<u32>(operand.reg, static_cast<u32>(value));
  }
}

/// CR4 came with the late 486 and the Pentium; before, its number is not an instruction.
bool has_cr4(const Cpu& cpu) {
  for (const Feature feature : {Feature::vme, Feature::pse, Feature::pae, Feature::tsc, Feature::fxsr}) {
    if (cpu.has(feature)) return true;
  }
  return false;
}

Result<void> interpret_mov_to_control(Cpu& cpu, const Instruction& insn) {
  const unsigned number = insn.operand[0].reg;
  if (number == 4 && !has_cr4(cpu)) return ud();
  if (number == 8 && !cpu.code64()) return ud();
  DOPPEL_TRY(require_cpl0(cpu));
  const u64 value = read_general(cpu, insn.operand[1]);
  switch (number) {
    case 0:
      DOPPEL_TRY(write_cr0(cpu, value));
      break;
    case 2:
      cpu.state.cr2 = value;
      break;
    case 3:
      DOPPEL_TRY(write_cr3(cpu, value));
      break;
    case 4:
      DOPPEL_TRY(write_cr4(cpu, value));
      break;
    case 8:
      if (value > 15) return gp();
      cpu.environment.set_cr8(static_cast<u8>(value));
      cpu.attention = true;  // A lower priority may let an interrupt through.
      break;
    default:
      return ud();
  }
  return {};
}

Result<void> interpret_mov_from_control(Cpu& cpu, const Instruction& insn) {
  const unsigned number = insn.operand[1].reg;
  if (number == 4 && !has_cr4(cpu)) return ud();
  if (number == 8 && !cpu.code64()) return ud();
  DOPPEL_TRY(require_cpl0(cpu));
  u64 value = 0;
  switch (number) {
    case 0: value = cpu.state.cr0; break;
    case 2: value = cpu.state.cr2; break;
    case 3: value = cpu.state.cr3; break;
    case 4: value = cpu.state.cr4; break;
    case 8: value = cpu.environment.cr8(); break;
    default: return ud();
  }
  write_general(cpu, insn.operand[0], value);
  return {};
}

/// DR4 and DR5 are DR6 and DR7 unless CR4.DE says that they do not exist.
Result<unsigned> debug_number(Cpu& cpu, unsigned number) {
  if (number > 7) return ud();
  if (number == 4 || number == 5) {
    if ((cpu.state.cr4 & cr4::DE) != 0) return ud();
    number += 2;
  }
  DOPPEL_TRY(require_cpl0(cpu));
  if ((cpu.state.dr[7] & dr7::GD) != 0) return Fault::make(Vector::DB, 0, dr6::BD);
  return number;
}

Result<void> interpret_mov_to_debug(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(const unsigned number, debug_number(cpu, insn.operand[0].reg));
  const u64 value = read_general(cpu, insn.operand[1]);
  constexpr u64 kDr6Writable = 0xe00f;
  constexpr u64 kDr7Writable = 0xffff'23ff;
  if (number >= 6) {
    if (value >> 32 != 0) return gp();
    cpu.state.dr[number] = number == 6 ? (value & kDr6Writable) | dr6::kFixedOnes
                                       : (value & kDr7Writable) | dr7::kFixedOnes;
  } else {
    cpu.state.dr[number] = value;
  }
  cpu.update_mode();
  return {};
}

Result<void> interpret_mov_from_debug(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(const unsigned number, debug_number(cpu, insn.operand[1].reg));
  write_general(cpu, insn.operand[0], cpu.state.dr[number]);
  return {};
}

/// Loads the low four bits of CR0; PE can be set, not cleared.
Result<void> interpret_lmsw(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(require_cpl0(cpu));
  u16 value = 0;
  if (insn.operand[0].kind == OperandKind::Memory) {
    DOPPEL_TRY(value, cpu.load_operand<u16>(insn));
  } else {
    value = cpu.state.at<u16>(insn.operand[0].reg);
  }
  constexpr u64 kLoaded = cr0::PE | cr0::MP | cr0::EM | cr0::TS;
  const u64 kept = cpu.state.cr0 & (~kLoaded | cr0::PE);
  return write_cr0(cpu, kept | (value & kLoaded));
}

Result<void> interpret_smsw(Cpu& cpu, const Instruction& insn) {
  if ((cpu.state.cr4 & cr4::UMIP) != 0 && cpu.state.cpl != 0) return gp();
  const u64 value = cpu.state.cr0;
  if (insn.operand[0].kind == OperandKind::Memory) {
    return cpu.store_operand<u16>(insn, static_cast<u16>(value));
  }
  switch (insn.operand[0].bytes) {
    case 2: cpu.state.set_at<u16>(insn.operand[0].reg, static_cast<u16>(value)); break;
    case 4: cpu.state.set_at<u32>(insn.operand[0].reg, static_cast<u32>(value)); break;
    default: cpu.state.set_at<u64>(insn.operand[0].reg, value); break;
  }
  return {};
}

Result<void> interpret_clts(Cpu& cpu, const Instruction&) {
  DOPPEL_TRY(require_cpl0(cpu));
  return write_cr0(cpu, cpu.state.cr0 & ~cr0::TS);
}

}  // namespace

Handler select_mov_control(const Instruction& insn) {
  return insn.operand[0].kind == OperandKind::Control ? interpret_mov_to_control : interpret_mov_from_control;
}
Handler select_mov_debug(const Instruction& insn) {
  return insn.operand[0].kind == OperandKind::Debug ? interpret_mov_to_debug : interpret_mov_from_debug;
}
Handler select_lmsw(const Instruction&) { return interpret_lmsw; }
Handler select_smsw(const Instruction&) { return interpret_smsw; }
Handler select_clts(const Instruction&) { return interpret_clts; }

}  // namespace doppel::cpu
