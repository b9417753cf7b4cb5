#include "jit/block_plan.h"

#include <algorithm>

#include <Zydis/Zydis.h>
#include <boost/container/small_vector.hpp>

#include "cpu/instruction_table.h"
#include "cpu/interpreter/host_thunk.h"
#include "cpu/monitor.h"
#include "jit/access_groups.h"

namespace doppel::jit {
namespace {

using cpu::Instruction;
using cpu::Operand;
using cpu::OperandKind;

bool has_kind(const Instruction& insn, OperandKind kind) { return operand_of(insn, kind) < 4; }

/// Its offsets are linear addresses.
bool is_flat(Seg segment, Mode mode) {
  return mode.code64() ? segment != Seg::FS && segment != Seg::GS : mode.shape(segment) == SegmentShape::Flat;
}

Treatment treat_string(const Instruction& insn, Mode mode) {
  if (insn.mnemonic == ZYDIS_MNEMONIC_CLD || insn.mnemonic == ZYDIS_MNEMONIC_STD) return Treatment::Direction;
  const bool repeats = insn.has(cpu::prefix::kRep) || insn.has(cpu::prefix::kRepne);
  if (!repeats) return Treatment::String;
  const StringStep step = string_step(insn);
  const bool is_plain = step == StringStep::Store || (is_string_move(insn) && is_flat(insn.segment, mode));
  const bool is_natural = form_of(insn, 0).bytes == (mode.code64() ? 8 : 4);
  return is_plain && is_natural && is_flat(Seg::ES, mode) ? Treatment::RepeatString : Treatment::Callout;
}

/// In segments whose offsets are linear addresses.
Treatment treat_bit_string(const Instruction& insn, Mode mode) {
  const AddressForm form = form_of(insn, 0);
  return is_flat(form.segment, mode) && form.bytes >= 4 && insn.width >= 4 ? Treatment::BitString : Treatment::Callout;
}

/// Of MOV and POP into a segment register.
Treatment treat_segment_load(const Instruction& insn, Mode mode) {
  const Seg segment = static_cast<Seg>(insn.operand[0].reg);
  const bool is_data = segment != Seg::CS && segment != Seg::SS;
  return is_data && mode.protected32() ? Treatment::LoadSegment : Treatment::Callout;
}

Treatment treat_identical(const Instruction& insn, const Mode mode) {
  if (insn.operand[0].kind == OperandKind::Segment) return treat_segment_load(insn, mode);
  if (insn.operand[1].kind == OperandKind::Control) {
    const unsigned number = insn.operand[1].reg;
    const bool is_plain = number == 0 || number == 2 || number == 3;
    return is_plain && mode.ring0() ? Treatment::ReadControl : Treatment::Callout;
  }
  if (insn.operand[1].kind == OperandKind::Segment && insn.operand[0].kind == OperandKind::Gpr) return Treatment::ReadSelector;
  for (const Operand& operand : insn.operand) {
    if (operand.kind == OperandKind::Segment || operand.kind == OperandKind::Control ||
        operand.kind == OperandKind::Debug || operand.kind == OperandKind::Mmx) {
      return Treatment::Callout;
    }
  }
  const bool vex = insn.has(cpu::prefix::kVex);
  if (uses_x87(insn)) return mode.has_x87() ? Treatment::Identical : Treatment::Callout;
  if (uses_vectors(insn)) {
    if (!(vex ? mode.has_avx() : mode.has_sse())) return Treatment::Callout;
    // Outside 64-bit code these spare registers that the host's form would clear.
    const bool clears = insn.mnemonic == ZYDIS_MNEMONIC_VZEROUPPER || insn.mnemonic == ZYDIS_MNEMONIC_VZEROALL;
    return clears && !mode.code64() ? Treatment::Callout : Treatment::Identical;
  }
  const bool memory = has_kind(insn, OperandKind::Memory);
  switch (insn.mnemonic) {
    // A row of strings and SSE forms: without operands it is the string.
    case ZYDIS_MNEMONIC_MOVSD:
    case ZYDIS_MNEMONIC_CMPSD: return treat_string(insn, mode);
    // A bit string reaches as far as its index says.
    case ZYDIS_MNEMONIC_BT:
    case ZYDIS_MNEMONIC_BTC:
    case ZYDIS_MNEMONIC_BTR:
    case ZYDIS_MNEMONIC_BTS:
      return memory && insn.operand[1].kind == OperandKind::Gpr ? treat_bit_string(insn, mode) : Treatment::Identical;
    // Counts above 16 are Intel's here, and the host's may be another.
    case ZYDIS_MNEMONIC_SHLD:
    case ZYDIS_MNEMONIC_SHRD: return insn.width == 2 ? Treatment::Callout : Treatment::Identical;
    // A count that is a multiple of 9 or 17 leaves OF alone here, and not on every host.
    case ZYDIS_MNEMONIC_RCL:
    case ZYDIS_MNEMONIC_RCR: return insn.width <= 2 ? Treatment::Callout : Treatment::Identical;
    case ZYDIS_MNEMONIC_LEA: return Treatment::Address;
    default: return Treatment::Identical;
  }
}

/// The operand size is that of the code: its offsets wrap where targets do.
bool has_natural_width(const Instruction& insn, Mode mode) {
  return insn.width == mode.code_bytes();
}

Treatment treat_branch(const Instruction& insn, Mode mode, u64 next_rip) {
  if (cpu::is_far_transfer(insn)) return Treatment::Callout;
  if (!has_natural_width(insn, mode)) {
    // Compilers make 16-bit code with wide branches. Where these stay below 64 KiB, nothing wraps.
    if (mode.code_size() != cpu::CodeSize::Bits16 || insn.width != 4) return Treatment::Interpret;
    const bool is_direct = insn.operand[0].kind == OperandKind::Relative;
    if (is_direct && static_cast<u32>(next_rip + insn.immediate) > 0xffff) return Treatment::Interpret;
  }
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_CALL: return Treatment::Call;
    case ZYDIS_MNEMONIC_RET: return Treatment::Return;
    case ZYDIS_MNEMONIC_JMP: return Treatment::Jump;
    case ZYDIS_MNEMONIC_LOOP:
    case ZYDIS_MNEMONIC_LOOPE:
    case ZYDIS_MNEMONIC_LOOPNE:
    case ZYDIS_MNEMONIC_JCXZ:
    case ZYDIS_MNEMONIC_JECXZ:
    case ZYDIS_MNEMONIC_JRCXZ: return Treatment::Count;
    default: return Treatment::JumpIf;
  }
}

Treatment treat_system(const Instruction& insn, Mode mode) {
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_RDTSC:
    case ZYDIS_MNEMONIC_RDTSCP:
    case ZYDIS_MNEMONIC_RDPKRU: return Treatment::ReadSystem;
    case ZYDIS_MNEMONIC_RDFSBASE:
    case ZYDIS_MNEMONIC_RDGSBASE: return mode.code64() ? Treatment::ReadSystem : Treatment::Callout;
    default: break;
  }
  if (!mode.ring0()) return Treatment::Callout;
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_CLI: return Treatment::ClearInterrupts;
    case ZYDIS_MNEMONIC_STI: return Treatment::SetInterrupts;
    case ZYDIS_MNEMONIC_POPF:
    case ZYDIS_MNEMONIC_POPFD:
    case ZYDIS_MNEMONIC_POPFQ: return Treatment::PopFlags;
    case ZYDIS_MNEMONIC_SWAPGS: return mode.code64() ? Treatment::SwapGs : Treatment::Callout;
    case ZYDIS_MNEMONIC_STAC:
    case ZYDIS_MNEMONIC_CLAC: return Treatment::Callout;
    default: return Treatment::PushFlags;
  }
}

Treatment treat_stack(const Instruction& insn, Mode mode) {
  const bool plain = insn.operand[0].kind == OperandKind::Gpr ||
                     insn.operand[0].kind == OperandKind::Memory ||
                     insn.operand[0].kind == OperandKind::Immediate;
  const bool is_segment = insn.operand[0].kind == OperandKind::Segment;
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_PUSH: return plain || is_segment ? Treatment::Push : Treatment::Callout;
    case ZYDIS_MNEMONIC_POP:
      if (is_segment) return insn.stack_width == 4 ? treat_segment_load(insn, mode) : Treatment::Callout;
      return plain ? Treatment::Pop : Treatment::Callout;
    case ZYDIS_MNEMONIC_LEAVE:
      return insn.stack_width == (mode.code64() ? 8 : 4) && mode.wide_stack() ? Treatment::Leave
                                                                            : Treatment::Callout;
    default: return Treatment::Callout;
  }
}

Treatment treat_any(const Instruction& insn, Mode mode, u64 next_rip) {
  const cpu::InstructionRow& row = cpu::instruction_row(insn.mnemonic);
  if (insn.handler == cpu::interpret_invalid || insn.handler == cpu::interpret_too_long) {
    return Treatment::Callout;
  }
  if (row.select == cpu::select_nop && insn.handler == cpu::select_nop(insn)) {
    return insn.has(cpu::prefix::kLock) ? Treatment::Callout : Treatment::Nothing;
  }
  switch (row.translation) {
    case cpu::Translation::identical: return treat_identical(insn, mode);
    case cpu::Translation::rewritten: return Treatment::ExchangePair;
    case cpu::Translation::branch: return treat_branch(insn, mode, next_rip);
    case cpu::Translation::stack: return treat_stack(insn, mode);
    case cpu::Translation::string: return treat_string(insn, mode);
    case cpu::Translation::system: return treat_system(insn, mode);
    default: return Treatment::Callout;
  }
}

AddressForm stack_form(Mode mode, i64 displacement, u8 base = RSP) {
  AddressForm form;
  form.base = base;
  form.bytes = mode.code64() ? 8 : mode.wide_stack() ? 4 : 2;
  form.segment = Seg::SS;
  form.displacement = displacement;
  return form;
}

/// Where RSI or RDI points.
AddressForm string_form(const Instruction& insn, u8 base, Seg segment) {
  AddressForm form = form_of(insn, 0);
  form.base = base;
  form.index = cpu::kZeroRegister;
  form.segment = segment;
  form.displacement = 0;
  return form;
}

/// An access that emitted code can check: its segment is not odd.
bool is_checkable(const MemoryUse& use, Mode mode) {
  if (use.size == 0) return false;
  if (mode.code64()) return true;
  switch (mode.shape(use.form.segment)) {
    case SegmentShape::Flat:
    case SegmentShape::Based:
    case SegmentShape::Small:
    case SegmentShape::Checked:
      return use.form.segment != Seg::CS || !use.write;
    case SegmentShape::Other:
      return false;
  }
  return false;
}

void treat(const Instruction& insn, Mode mode, PlannedInstruction& planned) {
  planned.treatment = treat_any(insn, mode, planned.rip + insn.length);
  if (planned.treatment != Treatment::Identical) return;
  planned.setup = set_up_operands(insn);
  // What has no host form is its handler's.
  if (!planned.setup) planned.treatment = Treatment::Callout;
}

void add_uses(const Instruction& insn, Mode mode, PlannedInstruction& planned) {
  const auto add = [&](const AddressForm& form, unsigned size, bool write) {
    MemoryUse use;
    use.form = form;
    use.size = static_cast<u8>(size);
    use.write = write;
    planned.uses.push_back(use);
  };
  const bool has_memory = has_kind(insn, OperandKind::Memory);
  const u64 next_rip = planned.rip + insn.length;
  const i64 width = insn.stack_width;
  const unsigned pushed = insn.stack_width;
  switch (planned.treatment) {
    case Treatment::Identical:
      if (has_memory) {
        const Operand& memory = insn.operand[operand_of(insn, OperandKind::Memory)];
        add(form_of(insn, next_rip), memory.bytes, (insn.memory_access & cpu::memory_access::kWrite) != 0);
        if (uses_vectors(insn) && insn.thunk != nullptr) {
          planned.uses[0].alignment_mask = static_cast<const cpu::HostThunk*>(insn.thunk)->alignment_mask;
        }
      }
      break;
    case Treatment::Push:
      if (has_memory) add(form_of(insn, next_rip), pushed, false);
      // Of a selector 32 bits wide only the lower half is written.
      add(stack_form(mode, -width), has_kind(insn, OperandKind::Segment) && pushed == 4 ? 2 : pushed, true);
      break;
    case Treatment::PushFlags:
      add(stack_form(mode, -width), pushed, true);
      break;
    case Treatment::PopFlags:
      add(stack_form(mode, 0), pushed, false);
      break;
    case Treatment::BitString: {
      AddressForm form = form_of(insn, next_rip);
      form.bit_index = insn.operand[1].reg / 8;
      form.bit_bytes = insn.width;
      add(form, insn.width, insn.mnemonic != ZYDIS_MNEMONIC_BT);
      break;
    }
    case Treatment::ExchangePair: {
      const unsigned size = insn.operand[operand_of(insn, OperandKind::Memory)].bytes;
      add(form_of(insn, next_rip), size, true);
      if (size == 16) planned.uses[0].alignment_mask = 15;
      break;
    }
    case Treatment::LoadSegment:
      if (insn.mnemonic == ZYDIS_MNEMONIC_POP) add(stack_form(mode, 0), pushed, false);
      if (has_memory) add(form_of(insn, next_rip), 2, false);
      break;
    case Treatment::Pop:
      add(stack_form(mode, 0), pushed, false);
      if (has_memory) {
        AddressForm form = form_of(insn, next_rip);
        if (form.base == RSP) form.displacement += width;
        add(form, pushed, true);
      }
      break;
    case Treatment::Leave:
      add(stack_form(mode, 0, RBP), pushed, false);
      break;
    case Treatment::String: {
      const StringStep step = string_step(insn);
      const bool stores = step == StringStep::Move || step == StringStep::Store;
      if (has_source(step)) add(string_form(insn, RSI, insn.segment), insn.width, false);
      if (has_destination(step)) add(string_form(insn, RDI, Seg::ES), insn.width, stores);
      break;
    }
    case Treatment::Call:
      if (has_memory) add(form_of(insn, next_rip), insn.width, false);
      add(stack_form(mode, -i64{insn.width}), insn.width, true);
      break;
    case Treatment::Return:
      add(stack_form(mode, 0), insn.width, false);
      break;
    case Treatment::Jump:
      if (has_memory) add(form_of(insn, next_rip), insn.width, false);
      break;
    default:
      break;
  }
  for (const MemoryUse& use : planned.uses) {
    if (!is_checkable(use, mode)) {
      planned.uses.clear();
      planned.treatment = Treatment::Interpret;
      return;
    }
  }
}

/// STAC or CLAC.
bool changes_access(const Instruction& insn) {
  const bool is_valid = insn.handler != cpu::interpret_invalid;
  return is_valid && (insn.mnemonic == ZYDIS_MNEMONIC_STAC || insn.mnemonic == ZYDIS_MNEMONIC_CLAC);
}

/// Where the STAC or CLAC at `i` is taken back; 0 if that is not on the way, or somebody looks at AC before.
size_t end_of_other_access(std::span<const Instruction> block, const BlockPlan& plan, size_t i) {
  for (size_t j = i + 1; j < plan.instructions.size(); ++j) {
    if (changes_access(block[j]) && block[j].mnemonic != block[i].mnemonic) return j;
    const Treatment treatment = plan.instructions[j].treatment;
    const bool looks = treatment == Treatment::PushFlags || treatment == Treatment::PopFlags;
    const bool may_lead_away = block[j].ends_block && !plan.instructions[j].is_passed;
    if (looks || may_lead_away) return 0;
  }
  return 0;
}

/// See PlannedInstruction::other_access. Where that is not enough, another mode holds behind STAC or CLAC: the block ends.
void find_accesses(std::span<const Instruction> block, Mode mode, BlockPlan& plan) {
  if (!mode.has_smap()) return;
  const bool is_set_before = mode.privilege() == mmu::Mmu::PrivilegeClass::SupervisorAc;
  size_t end = 0;
  for (size_t i = 0; i < plan.instructions.size(); ++i) {
    PlannedInstruction& planned = plan.instructions[i];
    planned.other_access = i <= end && end != 0;
    if (!changes_access(block[i])) continue;
    const bool is_set_behind = block[i].mnemonic == ZYDIS_MNEMONIC_STAC;
    if (!planned.other_access && is_set_behind != is_set_before) {
      end = end_of_other_access(block, plan, i);
      if (end == 0) {
        plan.instructions.resize(i + 1);
        plan.closes = false;
        return;
      }
    }
    planned.treatment = Treatment::Nothing;
  }
}

}  // namespace

BlockPlan plan_block(std::span<const Instruction> block, Mode mode, std::span<const u64> rips, PlanOptions options) {
  BlockPlan plan;
  for (size_t i = 0; i < block.size(); ++i) {
    PlannedInstruction& planned = plan.instructions.emplace_back();
    planned.rip = rips[i];
    planned.enters_page = (options.enters_pages >> i & 1) != 0;
    treat(block[i], mode, planned);
    add_uses(block[i], mode, planned);
    if (planned.treatment == Treatment::Interpret) break;  // Nothing behind it is reached.
  }
  const size_t count = plan.instructions.size();
  plan.closes = options.closes && count == block.size() && plan.instructions.back().treatment != Treatment::Interpret;
  for (size_t i = 0; i < count; ++i) {
    PlannedInstruction& planned = plan.instructions[i];
    planned.is_passed = block[i].ends_block && (i + 1 < count || plan.closes);
    if (planned.is_passed) planned.leads_to = rips[(i + 1) % count];
  }
  find_accesses(block, mode, plan);
  if (options.groups) find_groups(block, mode, plan);
  return plan;
}

BlockPlan plan_block(std::span<const Instruction> block, Mode mode, u64 rip, PlanOptions options) {
  boost::container::small_vector<u64, kMaxBlockInstructions> rips;
  for (const Instruction& insn : block) {
    rips.push_back(rip);
    rip += insn.length;
  }
  return plan_block(block, mode, std::span<const u64>(rips.data(), rips.size()), options);
}

bool may_be_passed_by(const Instruction& insn, Mode mode) {
  const bool is_branch = cpu::instruction_row(insn.mnemonic).translation == cpu::Translation::branch;
  if (!is_branch || !has_natural_width(insn, mode)) return false;
  switch (treat_branch(insn, mode, 0)) {
    case Treatment::Jump: return insn.operand[0].kind == OperandKind::Relative;
    case Treatment::JumpIf:
    case Treatment::Call:
    case Treatment::Return: return true;
    default: return false;
  }
}

bool may_divide(const Instruction& insn) {
  return insn.mnemonic == ZYDIS_MNEMONIC_DIV || insn.mnemonic == ZYDIS_MNEMONIC_IDIV;
}

bool may_leave(const PlannedInstruction& planned) {
  const bool may_miss = std::any_of(planned.uses.begin(), planned.uses.end(),
                                    [](const MemoryUse& use) { return !use.is_checked || use.alignment_mask != 0; });
  const Treatment treatment = planned.treatment;
  // Another target than the one that was noted.
  const bool may_lead_elsewhere = treatment == Treatment::JumpIf || treatment == Treatment::Call || treatment == Treatment::Return;
  return may_miss || may_lead_elsewhere || planned.enters_page || calls_out(treatment) || treatment == Treatment::Interpret;
}

bool flags_are_seen_before(std::span<const Instruction> block, const BlockPlan& plan, size_t index,
                           u16 mask) {
  for (size_t i = index; i < plan.instructions.size(); ++i) {
    const Instruction& insn = block[i];
    if ((insn.flags_read & mask) != 0 || may_leave(plan.instructions[i]) || may_divide(insn)) return true;
    mask = static_cast<u16>(mask & ~insn.flags_written);
    if (mask == 0) return false;
  }
  return true;
}

bool flags_are_seen(std::span<const Instruction> block, const BlockPlan& plan, size_t index, u16 mask) {
  return flags_are_seen_before(block, plan, index + 1, mask);
}

}  // namespace doppel::jit
