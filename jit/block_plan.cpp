#include "jit/block_plan.h"

#include <algorithm>

#include <Zydis/Zydis.h>
#include <boost/container/small_vector.hpp>

#include "cpu/instruction_table.h"
#include "cpu/interpreter/host_thunk.h"
#include "cpu/monitor.h"

namespace doppel::jit {
namespace {

using cpu::Instruction;
using cpu::Operand;
using cpu::OperandKind;


constexpr i64 kGroupReach = 512;

bool has_kind(const Instruction& insn, OperandKind kind) { return operand_of(insn, kind) < 4; }

bool is_mnemonic(const Instruction& insn, std::initializer_list<ZydisMnemonic> list) {
  return std::find(list.begin(), list.end(), insn.mnemonic) != list.end();
}

bool is_vector_operand(const Operand& operand) {
  return operand.kind == OperandKind::Xmm || operand.kind == OperandKind::Ymm;
}

/// Results that appear in ECX, named by the opcode alone.
bool implies_rcx(const Instruction& insn) {
  return is_mnemonic(insn, {ZYDIS_MNEMONIC_PCMPESTRI, ZYDIS_MNEMONIC_PCMPISTRI,
                            ZYDIS_MNEMONIC_VPCMPESTRI, ZYDIS_MNEMONIC_VPCMPISTRI});
}

bool is_bit_test(const Instruction& insn) {
  return is_mnemonic(insn, {ZYDIS_MNEMONIC_BT, ZYDIS_MNEMONIC_BTC, ZYDIS_MNEMONIC_BTR, ZYDIS_MNEMONIC_BTS});
}

Treatment treat_string(const Instruction& insn) {
  if (is_mnemonic(insn, {ZYDIS_MNEMONIC_CLD, ZYDIS_MNEMONIC_STD})) return Treatment::Direction;
  const bool repeats = insn.has(cpu::prefix::kRep) || insn.has(cpu::prefix::kRepne);
  return repeats ? Treatment::Callout : Treatment::String;
}

Treatment treat_identical(const Instruction& insn, const Mode mode) {
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
    if (is_mnemonic(insn, {ZYDIS_MNEMONIC_VZEROUPPER, ZYDIS_MNEMONIC_VZEROALL}) && !mode.code64()) {
      return Treatment::Callout;
    }
    return Treatment::Identical;
  }
  // A row of strings and SSE forms: without operands it is the string.
  if (is_mnemonic(insn, {ZYDIS_MNEMONIC_MOVSD, ZYDIS_MNEMONIC_CMPSD})) return treat_string(insn);
  // A bit string reaches as far as its index says.
  const bool memory = has_kind(insn, OperandKind::Memory);
  if (is_bit_test(insn) && memory && insn.operand[1].kind == OperandKind::Gpr) return Treatment::Callout;
  // Counts above 16 are Intel's here, and the host's may be another.
  if (is_mnemonic(insn, {ZYDIS_MNEMONIC_SHLD, ZYDIS_MNEMONIC_SHRD}) && insn.width == 2) return Treatment::Callout;
  // A count that is a multiple of 9 or 17 leaves OF alone here, and not on every host.
  if (is_mnemonic(insn, {ZYDIS_MNEMONIC_RCL, ZYDIS_MNEMONIC_RCR}) && insn.width <= 2) return Treatment::Callout;
  if (insn.mnemonic == ZYDIS_MNEMONIC_LEA) return Treatment::Address;
  return Treatment::Identical;
}

/// The operand size is that of the code: its offsets wrap where targets do.
bool has_natural_width(const Instruction& insn, Mode mode) {
  return insn.width == (mode.code64() ? 8 : mode.code_size() == cpu::CodeSize::Bits32 ? 4 : 2);
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
  if (!mode.ring0()) return Treatment::Callout;
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_CLI: return Treatment::ClearInterrupts;
    case ZYDIS_MNEMONIC_STI: return Treatment::SetInterrupts;
    case ZYDIS_MNEMONIC_SWAPGS: return mode.code64() ? Treatment::SwapGs : Treatment::Callout;
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
    case ZYDIS_MNEMONIC_POP: return plain ? Treatment::Pop : Treatment::Callout;
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
    case cpu::Translation::branch: return treat_branch(insn, mode, next_rip);
    case cpu::Translation::stack: return treat_stack(insn, mode);
    case cpu::Translation::string: return treat_string(insn);
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

/// Where a base register stands: which value it holds, and how far it has moved since.
struct Track {
  u32 version = 0;
  i64 moved = 0;
};

class Grouping {
 public:
  Grouping(std::span<const Instruction> block, Mode mode, BlockPlan& plan)
      : block_(block), mode_(mode), plan_(plan) {}

  void run() {
    for (u8 i = 0; i < plan_.instructions.size(); ++i) {
      const PlannedInstruction& planned = plan_.instructions[i];
      // A handler may change what is behind an address.
      if (calls_out(planned.treatment)) {
        for (Candidate& candidate : candidates_) candidate.is_open = false;
      }
      for (u8 u = 0; u < planned.uses.size(); ++u) place(i, u);
      follow(block_[i], planned.treatment);
    }
    settle();
    find_kept();
  }

 private:
  struct Member {
    u8 instruction, use;
    i64 at;
  };
  struct Candidate {
    AddressForm form;
    u32 version = 0;
    u32 index_version = 0;
    i64 low = 0, high = 0;
    i64 moved_at_first = 0;
    bool is_open = true;
    bool write = false, reads_first = false;
    boost::container::static_vector<Member, 2 * kMaxBlockInstructions> members;
  };

  u8 natural_bytes() const { return mode_.code64() ? 8 : 4; }
  bool is_groupable(const AddressForm& form) const {
    if (form.base >= 16 || form.bytes != natural_bytes()) return false;
    // Distances within a group must fit a displacement.
    constexpr i64 kFar = i64{1} << 30;
    if (form.displacement < -kFar || form.displacement > kFar) return false;
    return mode_.code64() || mode_.shape(form.segment) != SegmentShape::Small;
  }

  void place(u8 i, u8 u) {
    const MemoryUse& use = plan_.instructions[i].uses[u];
    if (!is_groupable(use.form)) return;
    const Track& track = tracks_[use.form.base];
    const bool has_index = use.form.index != cpu::kZeroRegister;
    const Track index = has_index ? tracks_[use.form.index] : Track{};
    const i64 moved = track.moved + index.moved * (i64{1} << use.form.scale);
    const i64 at = moved + use.form.displacement;
    for (Candidate& candidate : candidates_) {
      if (!candidate.is_open || candidate.form.base != use.form.base ||
          candidate.version != track.version || candidate.form.segment != use.form.segment) {
        continue;
      }
      if (candidate.form.index != use.form.index || candidate.form.scale != use.form.scale ||
          candidate.index_version != index.version) {
        continue;
      }
      const i64 low = std::min(candidate.low, at);
      const i64 high = std::max(candidate.high, at + use.size);
      if (high - low > kGroupReach) continue;
      candidate.low = low;
      candidate.high = high;
      candidate.members.push_back({i, u, at});
      if (use.write && !candidate.write) candidate.write = candidate.reads_first = true;
      return;
    }
    if (candidates_.size() == candidates_.capacity()) return;
    Candidate candidate;
    candidate.form = use.form;
    candidate.version = track.version;
    candidate.index_version = index.version;
    candidate.low = at;
    candidate.high = at + use.size;
    candidate.moved_at_first = moved;
    candidate.write = use.write;
    candidate.members.push_back({i, u, at});
    candidates_.push_back(candidate);
  }

  void move(unsigned reg, i64 distance) { tracks_[reg].moved += distance; }
  void replace(unsigned reg) {
    ++tracks_[reg].version;
    tracks_[reg].moved = 0;
  }

  /// A register that moves by a constant keeps its groups.
  bool moves_by_constant(const Instruction& insn) {
    const Operand& first = insn.operand[0];
    if (first.kind != OperandKind::Gpr || insn.width != natural_bytes() || first.bytes != insn.width) return false;
    const unsigned reg = first.reg / 8;
    const i64 constant = mode_.code64() ? static_cast<i64>(insn.immediate)
                                        : static_cast<i32>(insn.immediate);
    const bool has_constant = insn.operand[1].kind == OperandKind::Immediate;
    switch (insn.mnemonic) {
      case ZYDIS_MNEMONIC_INC: move(reg, 1); return true;
      case ZYDIS_MNEMONIC_DEC: move(reg, -1); return true;
      case ZYDIS_MNEMONIC_ADD:
        if (has_constant) move(reg, constant);
        return has_constant;
      case ZYDIS_MNEMONIC_SUB:
        if (has_constant) move(reg, -constant);
        return has_constant;
      case ZYDIS_MNEMONIC_LEA: {
        const AddressForm form = form_of(insn, 0);
        const bool moves = form.base == reg && form.index == cpu::kZeroRegister &&
                           form.bytes == natural_bytes();
        if (moves) move(reg, form.displacement);
        return moves;
      }
      default: return false;
    }
  }

  void follow(const Instruction& insn, Treatment treatment) {
    if (treatment == Treatment::Push || treatment == Treatment::PushFlags) {
      move(RSP, -i64{insn.stack_width});
      return;
    }
    if (treatment == Treatment::Pop) {
      move(RSP, insn.stack_width);
      if (insn.operand[0].kind == OperandKind::Gpr) replace(insn.operand[0].reg / 8);
      return;
    }
    if (!calls_out(treatment) && moves_by_constant(insn)) return;
    const u32 written = registers_written(insn, treatment);
    for (unsigned reg = 0; reg < 16; ++reg) {
      if ((written >> reg & 1) != 0) replace(reg);
    }
  }

  void settle() {
    for (const Candidate& candidate : candidates_) {
      if (candidate.members.size() < 2 || plan_.groups.size() == plan_.groups.capacity()) continue;
      Group group;
      group.low_from_base = static_cast<i32>(candidate.low - candidate.moved_at_first);
      group.span = static_cast<u16>(candidate.high - candidate.low);
      group.write = candidate.write;
      group.reads_first = candidate.reads_first;
      for (const Member& member : candidate.members) {
        MemoryUse& use = plan_.instructions[member.instruction].uses[member.use];
        use.group = static_cast<i8>(plan_.groups.size());
        use.offset = static_cast<i32>(member.at - candidate.low);
      }
      plan_.groups.push_back(group);
    }
  }

  /// Which groups find another address in the register when a later member comes.
  void find_kept() {
    i8 present = -1;
    for (const PlannedInstruction& planned : plan_.instructions) {
      for (const MemoryUse& use : planned.uses) {
        if (use.group >= 0) {
          Group& group = plan_.groups[static_cast<size_t>(use.group)];
          if (present != use.group && group.is_begun) group.is_kept = true;
          group.is_begun = true;
        }
        present = use.group;
      }
    }
  }

  std::span<const Instruction> block_;
  const Mode mode_;
  BlockPlan& plan_;
  std::array<Track, 16> tracks_{};
  boost::container::static_vector<Candidate, 16> candidates_;
};

bool may_leave(const PlannedInstruction& planned) {
  return !planned.uses.empty() || calls_out(planned.treatment) ||
         planned.treatment == Treatment::Interpret || planned.treatment == Treatment::JumpIf;
}

/// A division may raise #DE; vector accesses are uses already.
bool may_divide(const Instruction& insn) {
  return is_mnemonic(insn, {ZYDIS_MNEMONIC_DIV, ZYDIS_MNEMONIC_IDIV});
}

}  // namespace

AddressForm form_of(const Instruction& insn, u64 next_rip) {
  AddressForm form;
  form.base = insn.base / 8;
  form.index = insn.index / 8;
  form.scale = insn.scale;
  form.bytes = insn.address_mask == ~u64{0} ? 8 : insn.address_mask == 0xffff ? 2 : 4;
  form.segment = insn.segment;
  form.displacement = static_cast<i64>(insn.displacement);
  if (form.base == cpu::kRipRegister) {
    form.base = cpu::kZeroRegister;
    form.displacement += static_cast<i64>(next_rip);
  }
  return form;
}

StringStep string_step(const Instruction& insn) {
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_STOSB:
    case ZYDIS_MNEMONIC_STOSW:
    case ZYDIS_MNEMONIC_STOSD:
    case ZYDIS_MNEMONIC_STOSQ: return StringStep::Store;
    case ZYDIS_MNEMONIC_LODSB:
    case ZYDIS_MNEMONIC_LODSW:
    case ZYDIS_MNEMONIC_LODSD:
    case ZYDIS_MNEMONIC_LODSQ: return StringStep::Load;
    case ZYDIS_MNEMONIC_CMPSB:
    case ZYDIS_MNEMONIC_CMPSW:
    case ZYDIS_MNEMONIC_CMPSD:
    case ZYDIS_MNEMONIC_CMPSQ: return StringStep::Compare;
    case ZYDIS_MNEMONIC_SCASB:
    case ZYDIS_MNEMONIC_SCASW:
    case ZYDIS_MNEMONIC_SCASD:
    case ZYDIS_MNEMONIC_SCASQ: return StringStep::Scan;
    default: return StringStep::Move;
  }
}

unsigned operand_of(const Instruction& insn, OperandKind kind) {
  for (unsigned i = 0; i < 4; ++i) {
    if (insn.operand[i].kind == kind) return i;
  }
  return 4;
}

bool uses_x87(const Instruction& insn) {
  const u8 opcode = insn.bytes[insn.opcode_offset];
  return !insn.has(cpu::prefix::kVex) && opcode >= 0xd8 && opcode <= 0xdf;
}

bool uses_vectors(const Instruction& insn) {
  for (const Operand& operand : insn.operand) {
    if (is_vector_operand(operand)) return true;
  }
  // Conversions from memory to general registers have no vector operand, and heed MXCSR.
  const bool is_string = is_mnemonic(insn, {ZYDIS_MNEMONIC_MOVSD, ZYDIS_MNEMONIC_CMPSD});
  return cpu::is_float_row(insn.mnemonic) && !is_string && !uses_x87(insn);
}

u32 registers_written(const Instruction& insn, Treatment treatment) {
  if (calls_out(treatment) || treatment == Treatment::Interpret) return 0xffff;
  if (treatment == Treatment::Nothing || treatment == Treatment::Direction || treatment == Treatment::ClearInterrupts ||
      treatment == Treatment::SwapGs) {
    return 0;
  }
  if (treatment == Treatment::PushFlags) return 1u << RSP;
  if (treatment == Treatment::String) {
    const StringStep step = string_step(insn);
    return (has_source(step) ? 1u << RSI : 0) | (has_destination(step) ? 1u << RDI : 0) |
           (step == StringStep::Load ? 1u << RAX : 0);
  }
  u32 written = 0;
  const auto add = [&](unsigned operand) {
    if (insn.operand[operand].kind == OperandKind::Gpr) written |= 1u << (insn.operand[operand].reg / 8);
  };
  const bool reads_only = is_mnemonic(insn, {ZYDIS_MNEMONIC_CMP, ZYDIS_MNEMONIC_TEST, ZYDIS_MNEMONIC_BT,
                                             ZYDIS_MNEMONIC_PUSH, ZYDIS_MNEMONIC_JMP, ZYDIS_MNEMONIC_CALL});
  if (!reads_only) add(0);
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_XCHG:
    case ZYDIS_MNEMONIC_XADD:
    case ZYDIS_MNEMONIC_MULX:
      add(1);
      break;
    case ZYDIS_MNEMONIC_MUL:
    case ZYDIS_MNEMONIC_IMUL:
    case ZYDIS_MNEMONIC_DIV:
    case ZYDIS_MNEMONIC_IDIV:
      if (insn.operand[1].kind == OperandKind::None) written |= 1u << RAX | 1u << RDX;
      break;
    case ZYDIS_MNEMONIC_CWD:
    case ZYDIS_MNEMONIC_CDQ:
    case ZYDIS_MNEMONIC_CQO:
      written |= 1u << RDX;
      break;
    case ZYDIS_MNEMONIC_CBW:
    case ZYDIS_MNEMONIC_CWDE:
    case ZYDIS_MNEMONIC_CDQE:
    case ZYDIS_MNEMONIC_CMPXCHG:
    case ZYDIS_MNEMONIC_LAHF:
    case ZYDIS_MNEMONIC_FNSTSW:
      written |= 1u << RAX;
      break;
    default:
      break;
  }
  if (implies_rcx(insn) || treatment == Treatment::Count) written |= 1u << RCX;
  if (treatment == Treatment::Push || treatment == Treatment::Pop || treatment == Treatment::Call ||
      treatment == Treatment::Return || treatment == Treatment::Leave) {
    written |= 1u << RSP;
  }
  if (treatment == Treatment::Leave) written |= 1u << RBP;
  return written;
}

BlockPlan plan_block(std::span<const Instruction> block, Mode mode, std::span<const u64> rips, PlanOptions options) {
  BlockPlan plan;
  for (size_t i = 0; i < block.size(); ++i) {
    PlannedInstruction planned;
    planned.rip = rips[i];
    treat(block[i], mode, planned);
    add_uses(block[i], mode, planned);
    plan.instructions.push_back(planned);
    if (planned.treatment == Treatment::Interpret) break;  // Nothing behind it is reached.
  }
  if (options.groups) Grouping(block, mode, plan).run();
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
  const bool is_direct = insn.operand[0].kind == OperandKind::Relative;
  if (!is_branch || !is_direct || !has_natural_width(insn, mode)) return false;
  const Treatment treatment = treat_branch(insn, mode, 0);
  return treatment == Treatment::JumpIf || treatment == Treatment::Jump;
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
