// Descriptor-table registers, questions about descriptors, and moves to and from segment registers.
//
// @source Intel SDM Vol. 2, the instructions' pages; Vol. 3A, "Memory-Management Registers"

#include "cpu/instruction_table.h"
#include "cpu/monitor.h"
#include "cpu/segmentation.h"

namespace doppel::cpu {
namespace {

Seg segment_operand(const Instruction& insn, unsigned n) { return static_cast<Seg>(insn.operand[n].reg); }
bool is_memory(const Instruction& insn, unsigned n) { return insn.operand[n].kind == OperandKind::Memory; }

/// @errors #GP(0): CR4.UMIP keeps programs from looking at the tables.
Result<void> require_umip(const Cpu& cpu) {
  if ((cpu.state.cr4 & cr4::UMIP) != 0 && cpu.state.cpl != 0) return gp();
  return {};
}
/// LLDT, STR, LAR and their like exist in protected mode only.
Result<void> require_protected(const Cpu& cpu) {
  if (cpu.state.real_or_v86()) return ud();
  return {};
}

/// A 16-bit source: register or memory.
Result<u16> read_selector(Cpu& cpu, const Instruction& insn, unsigned n) {
  if (is_memory(insn, n)) return cpu.load_operand<u16>(insn);
  return cpu.state.at<u16>(insn.operand[n].reg);
}
/// Memory gets 16 bits, a register its whole width.
Result<void> write_selector(Cpu& cpu, const Instruction& insn, u16 value) {
  const Operand& operand = insn.operand[0];
  if (operand.kind == OperandKind::Memory) return cpu.store_operand<u16>(insn, value);
  switch (operand.bytes) {
    case 2: cpu.state.set_at<u16>(operand.reg, value); break;
    case 4: cpu.state.set_at<u32>(operand.reg, value); break;
    default: cpu.state.set_at<u64>(operand.reg, value); break;
  }
  return {};
}

void write_zf(Cpu& cpu, bool on) {
  cpu.state.flags.set((cpu.state.flags.get() & ~rflags::ZF) | (on ? rflags::ZF : 0));
}

// ---- GDTR and IDTR -------------------------------------------------------------------------------

template <TableRegister CpuState::*kTable>
Result<void> interpret_load_table(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(require_cpl0(cpu));
  u8 bytes[10] = {};
  const size_t size = cpu.code64() ? 10 : 6;
  DOPPEL_TRY(cpu.load_bytes(insn.segment, cpu.effective_address(insn), bytes, size));
  TableRegister table;
  std::memcpy(&table.limit, bytes, 2);
  std::memcpy(&table.base, bytes + 2, size - 2);
  if (operand_size_16(cpu, insn)) table.base &= 0xff'ffff;
  if (cpu.code64() && !is_canonical(table.base, cpu.mmu.linear_bits())) return gp();
  cpu.state.*kTable = table;
  return {};
}

template <TableRegister CpuState::*kTable>
Result<void> interpret_store_table(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(require_umip(cpu));
  const TableRegister& table = cpu.state.*kTable;
  u8 bytes[10];
  std::memcpy(bytes, &table.limit, 2);
  std::memcpy(bytes + 2, &table.base, 8);
  return cpu.store_bytes(insn.segment, cpu.effective_address(insn), bytes, cpu.code64() ? 10 : 6);
}

// ---- LDTR and TR ---------------------------------------------------------------------------------

Result<void> interpret_lldt(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(require_protected(cpu));
  DOPPEL_TRY(require_cpl0(cpu));
  DOPPEL_TRY(const u16 value, read_selector(cpu, insn, 0));
  const Selector selector{value};
  SegmentRegister ldtr;
  ldtr.selector = value;
  ldtr.update_window();
  if (!selector.is_null()) {
    if (selector.is_ldt()) return gp(selector.error_code());
    DOPPEL_TRY(const DescriptorRef ref, read_descriptor(cpu, selector, Vector::GP, cpu.state.long_mode()));
    const Descriptor& d = ref.descriptor;
    if (!d.is_system() || d.system_type() != SystemType::Ldt) return gp(selector.error_code());
    if (!d.present()) return Fault::make(Vector::NP, selector.error_code());
    ldtr = make_segment(selector, d);
  }
  cpu.state.ldtr = ldtr;
  return {};
}

Result<void> interpret_ltr(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(require_protected(cpu));
  DOPPEL_TRY(require_cpl0(cpu));
  DOPPEL_TRY(const u16 value, read_selector(cpu, insn, 0));
  const Selector selector{value};
  if (selector.is_null()) return gp();
  if (selector.is_ldt()) return gp(selector.error_code());
  const bool long_mode = cpu.state.long_mode();
  DOPPEL_TRY(const DescriptorRef ref, read_descriptor(cpu, selector, Vector::GP, long_mode));
  const Descriptor& d = ref.descriptor;
  const bool available = d.system_type() == SystemType::TssAvailable ||
                         (d.system_type() == SystemType::Tss16Available && !long_mode);
  if (!d.is_system() || !available) return gp(selector.error_code());
  if (!d.present()) return Fault::make(Vector::NP, selector.error_code());
  if (long_mode && !is_canonical(d.base64(), cpu.mmu.linear_bits())) return gp(selector.error_code());
  constexpr u8 kBusy = 2;
  const u8 busy_type = static_cast<u8>(bit_field(d.low, 47, 40) | kBusy);
  DOPPEL_TRY(cpu.mmu.write_system<u8>(ref.address + 5, busy_type));
  cpu.state.tr = make_segment(selector, d);
  cpu.state.tr.attributes |= kBusy;
  return {};
}

Result<void> interpret_sldt(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(require_protected(cpu));
  DOPPEL_TRY(require_umip(cpu));
  return write_selector(cpu, insn, cpu.state.ldtr.selector);
}
Result<void> interpret_str(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(require_protected(cpu));
  DOPPEL_TRY(require_umip(cpu));
  return write_selector(cpu, insn, cpu.state.tr.selector);
}

// ---- LAR, LSL, VERR, VERW, ARPL ------------------------------------------------------------------

enum class Question : u8 { Rights, Limit, Read, Write };

/// May a program that asks this see this system descriptor?
bool shows_system(Question question, SystemType type, bool long_mode) {
  switch (type) {
    case SystemType::Tss16Available:
    case SystemType::Tss16Busy:
      return !long_mode;
    case SystemType::Ldt:
    case SystemType::TssAvailable:
    case SystemType::TssBusy:
      return true;
    case SystemType::CallGate16:
    case SystemType::TaskGate:
      return question == Question::Rights && !long_mode;
    case SystemType::CallGate:
      return question == Question::Rights;
    default:
      return false;
  }
}

/// The descriptor, if the question may be answered with it. Only #PF is a fault here.
Result<bool> find_visible(Cpu& cpu, Selector selector, Question question, Descriptor& out) {
  if (selector.is_null()) return false;
  const Result<DescriptorRef> found = read_descriptor(cpu, selector, Vector::GP);
  if (!found.ok()) {
    if (found.error().vector == Vector::PF) return found.error();
    return false;
  }
  const Descriptor& d = out = found.value().descriptor;
  const bool asks_access = question == Question::Read || question == Question::Write;
  if (d.is_system()) {
    if (asks_access || !shows_system(question, d.system_type(), cpu.state.long_mode())) return false;
  }
  if (question == Question::Read && !d.is_readable()) return false;
  if (question == Question::Write && !d.is_writable()) return false;
  if (d.is_conforming()) return true;
  return d.dpl() >= cpu.state.cpl && d.dpl() >= selector.rpl();
}

template <Question kQuestion>
Result<void> interpret_describe(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(require_protected(cpu));
  DOPPEL_TRY(const u16 value, read_selector(cpu, insn, 1));
  Descriptor d;
  DOPPEL_TRY(const bool visible, find_visible(cpu, Selector{value}, kQuestion, d));
  write_zf(cpu, visible);
  if (!visible) return {};
  const u32 answer = kQuestion == Question::Rights ? static_cast<u32>(d.low >> 32) & 0x00f0'ff00 : d.limit();
  const Operand& target = insn.operand[0];
  if (target.bytes == 2) {
    cpu.state.set_at<u16>(target.reg, static_cast<u16>(answer));
  } else {
    cpu.state.set_at<u32>(target.reg, answer);
  }
  return {};
}

template <Question kQuestion>
Result<void> interpret_verify(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(require_protected(cpu));
  DOPPEL_TRY(const u16 value, read_selector(cpu, insn, 0));
  Descriptor d;
  DOPPEL_TRY(const bool visible, find_visible(cpu, Selector{value}, kQuestion, d));
  write_zf(cpu, visible);
  return {};
}

Result<void> interpret_arpl(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(require_protected(cpu));
  const u16 wanted = cpu.state.at<u16>(insn.operand[1].reg) & 3;
  const auto raises = [&](u16 value) { return (value & 3) < wanted; };
  const auto raised = [&](u16 value) { return static_cast<u16>((value & ~3) | wanted); };
  u16 value = 0;
  if (is_memory(insn, 0)) {
    const u64 offset = cpu.effective_address(insn);
    DOPPEL_TRY(value, cpu.load<u16>(insn.segment, offset));
    // Written only where it changes: a selector in a read-only page may be asked about.
    if (raises(value)) DOPPEL_TRY(cpu.store<u16>(insn.segment, offset, raised(value)));
  } else {
    value = cpu.state.at<u16>(insn.operand[0].reg);
    if (raises(value)) cpu.state.set_at<u16>(insn.operand[0].reg, raised(value));
  }
  write_zf(cpu, raises(value));
  return {};
}

// ---- moves ---------------------------------------------------------------------------------------

/// Interrupts, NMIs and debug traps wait until the stack pointer that belongs to the new SS is loaded.
void shadow_after_ss(Cpu& cpu, Seg segment) {
  if (segment != Seg::SS) return;
  cpu.state.interrupt_shadow = true;
  cpu.state.mov_ss_shadow = true;
}

Result<void> interpret_mov_to_segment(Cpu& cpu, const Instruction& insn) {
  const Seg segment = segment_operand(insn, 0);
  if (segment == Seg::CS) return ud();
  DOPPEL_TRY(const u16 value, read_selector(cpu, insn, 1));
  DOPPEL_TRY(load_segment(cpu, segment, value));
  shadow_after_ss(cpu, segment);
  return {};
}

Result<void> interpret_mov_from_segment(Cpu& cpu, const Instruction& insn) {
  return write_selector(cpu, insn, cpu.state.segment(segment_operand(insn, 1)).selector);
}

template <class T>
Result<void> interpret_pop_segment(Cpu& cpu, const Instruction& insn) {
  const Seg segment = segment_operand(insn, 0);
  const u64 sp = cpu.stack_pointer();
  DOPPEL_TRY(const T value, cpu.load<T>(Seg::SS, sp));
  // The pointer moves by the old stack's size: POP SS may change it.
  const u64 mask = cpu.stack_mask();
  DOPPEL_TRY(load_segment(cpu, segment, static_cast<u16>(value)));
  u64& rsp = cpu.state.gpr[RSP];
  rsp = mask == 0xffff ? (rsp & ~u64{0xffff}) | ((sp + sizeof(T)) & 0xffff) : (sp + sizeof(T)) & mask;
  shadow_after_ss(cpu, segment);
  return {};
}

/// A 32- or 64-bit push of a selector writes only 16 bits on current processors; the slot moves in full.
template <class T>
Result<void> interpret_push_segment(Cpu& cpu, const Instruction& insn) {
  const u16 selector = cpu.state.segment(segment_operand(insn, 0)).selector;
  if constexpr (sizeof(T) == 4) {
    const u64 sp = (cpu.state.gpr[RSP] - 4) & cpu.stack_mask();
    DOPPEL_TRY(cpu.store<u16>(Seg::SS, sp, selector));
    cpu.set_stack_pointer(sp);
    return {};
  } else {
    return cpu.push<T>(selector);
  }
}

/// LDS and its kind: offset first in memory, then the selector.
template <Seg kSegment, class T>
Result<void> interpret_load_far(Cpu& cpu, const Instruction& insn) {
  const u64 offset = cpu.effective_address(insn);
  DOPPEL_TRY(const T value, cpu.load<T>(insn.segment, offset));
  DOPPEL_TRY(const u16 selector, cpu.load<u16>(insn.segment, (offset + sizeof(T)) & insn.address_mask));
  DOPPEL_TRY(load_segment(cpu, kSegment, selector));
  cpu.state.set_at<T>(insn.operand[0].reg, value);
  return {};
}

template <Seg kSegment>
Handler load_far_handler(const Instruction& insn) {
  switch (insn.operand[0].bytes) {
    case 2: return interpret_load_far<kSegment, u16>;
    case 4: return interpret_load_far<kSegment, u32>;
    case 8: return interpret_load_far<kSegment, u64>;
    default: return interpret_invalid;
  }
}

}  // namespace

Handler select_lgdt(const Instruction&) { return interpret_load_table<&CpuState::gdtr>; }
Handler select_lidt(const Instruction&) { return interpret_load_table<&CpuState::idtr>; }
Handler select_sgdt(const Instruction&) { return interpret_store_table<&CpuState::gdtr>; }
Handler select_sidt(const Instruction&) { return interpret_store_table<&CpuState::idtr>; }
Handler select_lldt(const Instruction&) { return interpret_lldt; }
Handler select_ltr(const Instruction&) { return interpret_ltr; }
Handler select_sldt(const Instruction&) { return interpret_sldt; }
Handler select_str(const Instruction&) { return interpret_str; }
Handler select_lar(const Instruction&) { return interpret_describe<Question::Rights>; }
Handler select_lsl(const Instruction&) { return interpret_describe<Question::Limit>; }
Handler select_verr(const Instruction&) { return interpret_verify<Question::Read>; }
Handler select_verw(const Instruction&) { return interpret_verify<Question::Write>; }
Handler select_arpl(const Instruction&) { return interpret_arpl; }
Handler select_lds(const Instruction& insn) { return load_far_handler<Seg::DS>(insn); }
Handler select_les(const Instruction& insn) { return load_far_handler<Seg::ES>(insn); }
Handler select_lfs(const Instruction& insn) { return load_far_handler<Seg::FS>(insn); }
Handler select_lgs(const Instruction& insn) { return load_far_handler<Seg::GS>(insn); }
Handler select_lss(const Instruction& insn) { return load_far_handler<Seg::SS>(insn); }

Handler select_mov_segment(const Instruction& insn) {
  return insn.operand[0].kind == OperandKind::Segment ? interpret_mov_to_segment : interpret_mov_from_segment;
}
Handler select_pop_segment(const Instruction& insn) {
  switch (insn.stack_width) {
    case 2: return interpret_pop_segment<u16>;
    case 4: return interpret_pop_segment<u32>;
    case 8: return interpret_pop_segment<u64>;
    default: return interpret_invalid;
  }
}
Handler select_push_segment(const Instruction& insn) {
  switch (insn.stack_width) {
    case 2: return interpret_push_segment<u16>;
    case 4: return interpret_push_segment<u32>;
    case 8: return interpret_push_segment<u64>;
    default: return interpret_invalid;
  }
}

}  // namespace doppel::cpu
