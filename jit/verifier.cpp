#include "jit/verifier.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include <Zydis/Zydis.h>

#include "cpu/instruction_table.h"

namespace doppel::jit {
namespace {

// ---- What may be there --------------------------------------------------------------------------

/// Emitted besides the instructions whose row is `identical`. Those cover what the emitter computes
/// with: MOV, MOVZX, LEA, PEXT, SHRX, RORX, XCHG, ADD, SUB, CMP, TEST, LAHF, SAHF, SETcc ...
constexpr ZydisMnemonic kGlue[] = {
    // To and from stubs, links between blocks.
    ZYDIS_MNEMONIC_JMP,
    ZYDIS_MNEMONIC_CALL,
    ZYDIS_MNEMONIC_RET,
    // A test that touches no flag.
    ZYDIS_MNEMONIC_JRCXZ,
    // The guest's own conditions.
    ZYDIS_MNEMONIC_JB,
    ZYDIS_MNEMONIC_JBE,
    ZYDIS_MNEMONIC_JL,
    ZYDIS_MNEMONIC_JLE,
    ZYDIS_MNEMONIC_JNB,
    ZYDIS_MNEMONIC_JNBE,
    ZYDIS_MNEMONIC_JNL,
    ZYDIS_MNEMONIC_JNLE,
    ZYDIS_MNEMONIC_JNO,
    ZYDIS_MNEMONIC_JNP,
    ZYDIS_MNEMONIC_JNS,
    ZYDIS_MNEMONIC_JNZ,
    ZYDIS_MNEMONIC_JO,
    ZYDIS_MNEMONIC_JP,
    ZYDIS_MNEMONIC_JS,
    ZYDIS_MNEMONIC_JZ,
    // Alignment.
    ZYDIS_MNEMONIC_NOP,
};

/// Registers that hold a checked host address.
constexpr ZydisRegister kCheckedBases[] = {ZYDIS_REGISTER_R13, ZYDIS_REGISTER_R14,
                                           ZYDIS_REGISTER_RCX};
/// A check covers one page, so nothing lies farther from the address it gave.
constexpr i64 kCheckedReach = 4096;

/// Registers that translated code may name or imply, by class.
constexpr ZydisRegisterClass kRegisterClasses[] = {
    ZYDIS_REGCLASS_GPR8,  ZYDIS_REGCLASS_GPR16, ZYDIS_REGCLASS_GPR32, ZYDIS_REGCLASS_GPR64,
    ZYDIS_REGCLASS_X87,   ZYDIS_REGCLASS_MMX,   ZYDIS_REGCLASS_XMM,   ZYDIS_REGCLASS_YMM,
    ZYDIS_REGCLASS_FLAGS, ZYDIS_REGCLASS_IP,
};
/// The same, of no class of their own: control words of the floating-point units.
constexpr ZydisRegister kRegisters[] = {
    ZYDIS_REGISTER_X87CONTROL,
    ZYDIS_REGISTER_X87STATUS,
    ZYDIS_REGISTER_X87TAG,
    ZYDIS_REGISTER_MXCSR,
};

/// Legacy prefixes that have no place: segments, address size.
constexpr u8 kForbiddenPrefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x67};

template <typename List, typename T>
bool contains(const List& list, T value) {
  return std::find(std::begin(list), std::end(list), value) != std::end(list);
}

// ---- Reading ------------------------------------------------------------------------------------

const ZydisDecoder& host_decoder() {
  static const ZydisDecoder decoder = [] {
    ZydisDecoder made;
    ZydisDecoderInit(&made, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return made;
  }();
  return decoder;
}

struct Decoded {
  ZydisDecodedInstruction insn;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];

  std::span<const ZydisDecodedOperand> all() const { return {operands, insn.operand_count}; }
  std::span<const ZydisDecodedOperand> visible() const {
    return {operands, insn.operand_count_visible};
  }
  bool is(ZydisMnemonic mnemonic) const { return insn.mnemonic == mnemonic; }
  bool is_call_or_return() const { return is(ZYDIS_MNEMONIC_CALL) || is(ZYDIS_MNEMONIC_RET); }
};

bool reads(const ZydisDecodedOperand& operand) {
  return (operand.actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0;
}
bool writes(const ZydisDecodedOperand& operand) {
  return (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
}

bool is_hidden(const ZydisDecodedOperand& operand) {
  return operand.visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN;
}

std::string text_of(const Decoded& decoded, u64 address) {
  ZydisFormatter formatter;
  ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
  char text[160] = "(unprintable)";
  ZydisFormatterFormatInstruction(&formatter, &decoded.insn, decoded.operands,
                                  decoded.insn.operand_count_visible, text, sizeof text, address,
                                  nullptr);
  return text;
}

/// A rule's answer: what is wrong, or null.
using Complaint = const char*;

class Verifier {
 public:
  Verifier(std::span<const u8> code, u64 address, std::span<const MemorySite> sites,
           const VerifierRules& rules, u16 address_registers)
      : code_(code), address_(address), sites_(sites), rules_(rules), address_registers_(address_registers),
        is_boundary_(code.size()) {}

  std::optional<std::string> run() {
    if (address_ < rules_.code_begin || address_ > rules_.code_end ||
        code_.size() > rules_.code_end - address_) {
      return "the block does not lie in the code cache";
    }
    bool falls_through = true;
    for (at_ = 0; at_ < code_.size(); at_ += decoded_.insn.length) {
      if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&host_decoder(), code_.data() + at_,
                                               code_.size() - at_, &decoded_.insn,
                                               decoded_.operands))) {
        return place(at_) + ": no instruction that fits";
      }
      is_boundary_[at_] = true;
      if (const Complaint wrong = check_instruction()) {
        return place(at_) + ", `" + text_of(decoded_, address_ + at_) + "`: " + wrong;
      }
      falls_through = !decoded_.is(ZYDIS_MNEMONIC_JMP) && !decoded_.is(ZYDIS_MNEMONIC_RET);
      has_small_index_ = is_cut_of_index();
    }
    if (falls_through) return place(at_) + ": control runs over the end of the block";
    return check_places();
  }

 private:
  static std::string place(u64 offset) {
    char text[32];
    std::snprintf(text, sizeof text, "host offset 0x%llx", static_cast<unsigned long long>(offset));
    return text;
  }

  /// What only the whole block can tell: do branches and sites name instructions?
  std::optional<std::string> check_places() const {
    for (const Branch& branch : branches_) {
      if (!is_boundary_[branch.target]) {
        return place(branch.from) + ": branches into the middle of an instruction, to " +
               place(branch.target);
      }
      if (std::find(bit_strings_.begin(), bit_strings_.end(), branch.target) != bit_strings_.end()) {
        return place(branch.from) + ": branches past the bound of a bit string, to " + place(branch.target);
      }
    }
    for (const MemorySite& site : sites_) {
      if (site.offset >= code_.size() || !is_boundary_[site.offset]) {
        return place(site.offset) + ": a memory site where no instruction begins";
      }
    }
    return std::nullopt;
  }

  Complaint check_instruction() {
    if (const Complaint wrong = check_kind()) return wrong;
    if (const Complaint wrong = check_registers()) return wrong;
    if (decoded_.insn.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE) return check_branch();
    for (const ZydisDecodedOperand& operand : decoded_.all()) {
      if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY) continue;
      if (const Complaint wrong = check_memory(operand)) return wrong;
    }
    return nullptr;
  }

  Complaint check_kind() const {
    const ZydisDecodedInstruction& insn = decoded_.insn;
    if (insn.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY &&
        insn.encoding != ZYDIS_INSTRUCTION_ENCODING_VEX) {
      return "an encoding that is never emitted";
    }
    const cpu::InstructionRow& row = cpu::instruction_row(static_cast<u16>(insn.mnemonic));
    const bool is_plain = row.translation == cpu::Translation::identical || row.translation == cpu::Translation::rewritten;
    if (!is_plain && !contains(kGlue, insn.mnemonic)) {
      return "not an instruction of translated code";
    }
    for (unsigned i = 0; i < insn.raw.prefix_count; ++i) {
      if (contains(kForbiddenPrefixes, insn.raw.prefixes[i].value))
        return "a segment or address size prefix";
    }
    return nullptr;
  }

  Complaint check_registers() const {
    for (const ZydisDecodedOperand& operand : decoded_.all()) {
      if (operand.type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
      const ZydisRegister reg = operand.reg.value;
      if (!contains(kRegisterClasses, ZydisRegisterGetClass(reg)) && !contains(kRegisters, reg)) {
        return "a register that translated code does not know";
      }
      if (!writes(operand)) continue;
      const ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
      if (whole == ZYDIS_REGISTER_R15) return "changes R15";
      if (whole == ZYDIS_REGISTER_RSP && !(decoded_.is_call_or_return() && is_hidden(operand)))
        return "changes RSP";
      if (is_address_register(whole) && !is_move_of_address()) return "changes a register that holds an address";
    }
    return nullptr;
  }

  bool is_address_register(ZydisRegister reg) const {
    return ZydisRegisterGetClass(reg) == ZYDIS_REGCLASS_GPR64 && (address_registers_ >> ZydisRegisterGetId(reg) & 1) != 0;
  }
  /// From R13, or back to what it was outside.
  bool is_move_of_address() const {
    if (!decoded_.is(ZYDIS_MNEMONIC_MOV)) return false;
    const ZydisDecodedOperand& from = decoded_.operands[1];
    return from.type == ZYDIS_OPERAND_TYPE_REGISTER ? from.reg.value == ZYDIS_REGISTER_R13
                                                    : from.type == ZYDIS_OPERAND_TYPE_MEMORY && is_state(from);
  }

  // --- Memory -----------------------------------------------------------------------------------

  static i64 displacement_of(const ZydisDecodedOperand& operand) {
    return operand.mem.disp.has_displacement ? operand.mem.disp.value : 0;
  }

  /// [r15 + disp]
  bool is_state(const ZydisDecodedOperand& operand) const {
    const i64 low = displacement_of(operand);
    return operand.mem.base == ZYDIS_REGISTER_R15 && operand.mem.index == ZYDIS_REGISTER_NONE &&
           low >= rules_.state_low && low + operand.size / 8 <= rules_.state_high;
  }
  /// [r15 + reg * 8 + disp]
  bool is_table(const ZydisDecodedOperand& operand) const {
    const i64 low = displacement_of(operand);
    return operand.mem.base == ZYDIS_REGISTER_R15 && operand.mem.index != ZYDIS_REGISTER_NONE &&
           operand.mem.scale == 8 && low >= rules_.state_low && low + 8 <= rules_.state_high;
  }
  /// [rip + disp], of a constant that stands in the block.
  bool is_own_constant(const ZydisDecodedOperand& operand) const {
    if (operand.mem.base != ZYDIS_REGISTER_RIP) return false;
    const i64 low = static_cast<i64>(at_ + decoded_.insn.length) + displacement_of(operand);
    return low >= 0 && low + operand.size / 8 <= static_cast<i64>(code_.size());
  }
  /// [checked address + disp], or [what was checked to be added + register + disp]
  bool is_checked(const ZydisDecodedOperand& operand) const {
    const i64 low = displacement_of(operand);
    if (operand.mem.base == ZYDIS_REGISTER_R13 && operand.mem.index != ZYDIS_REGISTER_NONE) return true;
    const bool has_address = contains(kCheckedBases, operand.mem.base) || is_address_register(operand.mem.base);
    return has_address && operand.mem.index == ZYDIS_REGISTER_NONE &&
           low > -kCheckedReach && low < kCheckedReach;
  }

  const MemorySite* site_here() const {
    const auto site = std::find_if(sites_.begin(), sites_.end(),
                                   [&](const MemorySite& each) { return each.offset == at_; });
    return site == sites_.end() ? nullptr : &*site;
  }

  Complaint check_memory(const ZydisDecodedOperand& operand) {
    if (operand.mem.type == ZYDIS_MEMOP_TYPE_AGEN) return nullptr;  // LEA
    if (operand.mem.type != ZYDIS_MEMOP_TYPE_MEM || is_hidden(operand))
      return "an implied memory operand";
    if (is_bit_string()) {
      const bool is_bounded = has_small_index_ && decoded_.operands[1].reg.value != ZYDIS_REGISTER_CX &&
                              ZydisRegisterGetId(decoded_.operands[1].reg.value) == ZydisRegisterGetId(ZYDIS_REGISTER_RCX);
      if (!is_bounded) return "a bit string, which may lie anywhere";
      bit_strings_.push_back(at_);
    }
    const MemorySite* site = site_here();
    const bool at_site = site != nullptr && is_checked(operand);
    if (writes(operand) && !is_state(operand) && !(at_site && site->is_store)) {
      return "stores neither to the state nor at a site of a store";
    }
    if (reads(operand) && !is_state(operand) && !is_table(operand) && !is_own_constant(operand) &&
        !at_site) {
      return "loads neither from the state, nor from the block, nor at a site";
    }
    // NOP and its like name memory without an access.
    return nullptr;
  }

  /// BT and its like with an index in a register reach beyond their memory operand.
  bool is_bit_string() const {
    switch (decoded_.insn.mnemonic) {
      case ZYDIS_MNEMONIC_BT:
      case ZYDIS_MNEMONIC_BTC:
      case ZYDIS_MNEMONIC_BTR:
      case ZYDIS_MNEMONIC_BTS:
        return decoded_.operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER;
      default:
        return false;
    }
  }

  /// MOVZX ECX, CL: a bit string that RCX is the index of ends within 32 bytes.
  bool is_cut_of_index() const {
    return decoded_.is(ZYDIS_MNEMONIC_MOVZX) && decoded_.operands[0].reg.value == ZYDIS_REGISTER_ECX &&
           decoded_.operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER && decoded_.operands[1].reg.value == ZYDIS_REGISTER_CL;
  }

  // --- Branches ---------------------------------------------------------------------------------

  Complaint check_branch() {
    if (decoded_.insn.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) return "changes CS";
    if (decoded_.is(ZYDIS_MNEMONIC_RET)) {
      return decoded_.insn.operand_count_visible == 0 ? nullptr : "a return that drops arguments";
    }
    const ZydisDecodedOperand& target = decoded_.operands[0];
    switch (target.type) {
      case ZYDIS_OPERAND_TYPE_IMMEDIATE:
        return check_direct(target);
      case ZYDIS_OPERAND_TYPE_MEMORY:
        return check_indirect(target);
      default:
        return "a branch through a register";
    }
  }

  Complaint check_direct(const ZydisDecodedOperand& target) {
    const u64 next = at_ + decoded_.insn.length;
    const u64 offset = next + static_cast<u64>(target.imm.value.s);
    if (offset < code_.size()) {
      branches_.push_back({at_, offset});
      return nullptr;
    }
    const u64 to = address_ + offset;
    if (to < rules_.code_begin || to >= rules_.code_end) return "branches out of the code cache";
    if (!rules_.is_entry || !rules_.is_entry(to)) return "branches to what is no entry";
    return nullptr;
  }

  Complaint check_indirect(const ZydisDecodedOperand& target) const {
    if (is_state(target)) return nullptr;
    if (is_table(target)) return nullptr;
    return "an indirect branch through other memory than the state";
  }

  struct Branch {
    u64 from;
    u64 target;
  };

  const std::span<const u8> code_;
  const u64 address_;
  const std::span<const MemorySite> sites_;
  const VerifierRules& rules_;
  const u16 address_registers_;
  std::vector<bool> is_boundary_;
  std::vector<Branch> branches_;  ///< Within the block.
  std::vector<u64> bit_strings_;  ///< Where they are.
  bool has_small_index_ = false;  ///< The instruction before was is_cut_of_index.
  u64 at_ = 0;
  Decoded decoded_;
};

}  // namespace

std::optional<std::string> verify_block(std::span<const u8> code, u64 address,
                                        std::span<const MemorySite> sites,
                                        const VerifierRules& rules, u16 address_registers) {
  return Verifier(code, address, sites, rules, address_registers).run();
}

}  // namespace doppel::jit
