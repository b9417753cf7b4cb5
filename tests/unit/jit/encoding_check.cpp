#include "tests/unit/jit/encoding_check.h"

#include <cstdio>

#include <Zydis/Zydis.h>

#include "tests/differential/forms.h"

namespace doppel::jit {

using cpu::CodeSize;
using cpu::Instruction;
using cpu::Operand;
using cpu::OperandKind;
using differential::Decoded;

namespace {

std::string name_of(ZydisRegister reg) {
  const char* name = ZydisRegisterGetString(reg);
  return name != nullptr ? name : "none";
}

/// The host register that stands for a guest operand.
ZydisRegister expected_register(const Operand& operand, const Substitution& with) {
  switch (operand.kind) {
    case OperandKind::X87:
      return ZydisRegisterEncode(ZYDIS_REGCLASS_X87, operand.reg);
    case OperandKind::Mmx:
      return ZydisRegisterEncode(ZYDIS_REGCLASS_MMX, operand.reg);
    case OperandKind::Xmm:
      return ZydisRegisterEncode(ZYDIS_REGCLASS_XMM, operand.reg);
    case OperandKind::Ymm:
      return ZydisRegisterEncode(ZYDIS_REGCLASS_YMM, operand.reg);
    default:
      break;
  }
  // What the opcode implies stays itself; accumulators of short forms are operands.
  const u8 guest = operand.reg >> 3;
  const bool is_implied_count = operand.field == cpu::OperandField::None && guest == RCX;
  const u8 host = is_implied_count ? guest : with.registers[guest];
  static constexpr ZydisRegister kLow[] = {
      ZYDIS_REGISTER_AL,   ZYDIS_REGISTER_CL,   ZYDIS_REGISTER_DL,   ZYDIS_REGISTER_BL,
      ZYDIS_REGISTER_SPL,  ZYDIS_REGISTER_BPL,  ZYDIS_REGISTER_SIL,  ZYDIS_REGISTER_DIL,
      ZYDIS_REGISTER_R8B,  ZYDIS_REGISTER_R9B,  ZYDIS_REGISTER_R10B, ZYDIS_REGISTER_R11B,
      ZYDIS_REGISTER_R12B, ZYDIS_REGISTER_R13B, ZYDIS_REGISTER_R14B, ZYDIS_REGISTER_R15B};
  switch (operand.bytes) {
    case 1:
      if ((operand.reg & 7) != 0) return static_cast<ZydisRegister>(ZYDIS_REGISTER_AH + host);
      return kLow[host];
    case 2:
      return ZydisRegisterEncode(ZYDIS_REGCLASS_GPR16, host);
    case 4:
      return ZydisRegisterEncode(ZYDIS_REGCLASS_GPR32, host);
    default:
      return ZydisRegisterEncode(ZYDIS_REGCLASS_GPR64, host);
  }
}

ZydisRegister wide_register(u8 number) {
  return number == HostMemory::kNone ? ZYDIS_REGISTER_NONE
                                     : ZydisRegisterEncode(ZYDIS_REGCLASS_GPR64, number);
}

std::string compare_memory(const ZydisDecodedOperand& host, const HostMemory& memory) {
  if (host.type != ZYDIS_OPERAND_TYPE_MEMORY) return "is no memory operand";
  const auto& mem = host.mem;
  if (mem.type != ZYDIS_MEMOP_TYPE_MEM && mem.type != ZYDIS_MEMOP_TYPE_AGEN)
    return "is an odd memory operand";
  if (mem.base != wide_register(memory.base)) return "has base " + name_of(mem.base);
  if (mem.index != wide_register(memory.index)) return "has index " + name_of(mem.index);
  if (mem.index != ZYDIS_REGISTER_NONE && mem.scale != 1u << memory.scale)
    return "has another scale";
  if ((mem.disp.has_displacement ? mem.disp.value : 0) != memory.displacement)
    return "has another displacement";
  return {};
}

u64 truncate(u64 value, unsigned bytes) {
  return bytes >= 8 ? value : value & ((u64{1} << bytes * 8) - 1);
}

struct Comparison {
  const Instruction& guest;
  const Decoded& guest_decoded;
  const Decoded& host;
  const Substitution& with;

  std::string visible(unsigned guest_index, unsigned host_index) const {
    const Operand& operand = guest.operand[guest_index];
    const ZydisDecodedOperand& from = host.operands[host_index];
    const bool is_moved = guest_index == with.operand_in_memory;
    if (operand.kind == OperandKind::Memory || is_moved) {
      const std::string difference = compare_memory(from, with.memory);
      if (!difference.empty()) return difference;
      const bool is_written = (from.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
      // A source may be narrower in memory: PINSRB takes one byte either way.
      const bool good = from.size / 8u == operand.bytes ||
                        (is_moved && !is_written && from.size / 8u < operand.bytes);
      const bool is_address = guest.mnemonic == ZYDIS_MNEMONIC_LEA;
      return good || is_address ? std::string() : "has size " + std::to_string(from.size);
    }
    if (operand.kind == OperandKind::Immediate) {
      if (from.type != ZYDIS_OPERAND_TYPE_IMMEDIATE) return "is no immediate";
      // A short form gives it in the size of the operand, a general one extended.
      const u64 expected =
          guest_index > 0 && guest.operand[guest_index - 1].kind == OperandKind::Immediate
              ? guest.immediate2
              : guest.immediate;
      const unsigned bytes = guest.width == 0 ? 8 : guest.width;
      return truncate(from.imm.value.u, bytes) == truncate(expected, bytes) ? std::string()
                                                                            : "has another value";
    }
    if (from.type != ZYDIS_OPERAND_TYPE_REGISTER) return "is no register";
    const ZydisRegister expected = expected_register(operand, with);
    return from.reg.value == expected
               ? std::string()
               : "is " + name_of(from.reg.value) + ", not " + name_of(expected);
  }

  /// Registers that the opcode implies are the same, but for the names of RFLAGS.
  std::string hidden() const {
    if (host.insn.operand_count != guest_decoded.insn.operand_count) return "other hidden operands";
    // Outside 64-bit code W has no effect on their lengths, whatever Zydis shows (cpu/decoder.cpp).
    const bool is_explicit =
        guest.mnemonic == ZYDIS_MNEMONIC_VPCMPESTRI || guest.mnemonic == ZYDIS_MNEMONIC_VPCMPESTRM;
    const bool w_is_ignored =
        is_explicit && guest_decoded.insn.machine_mode != ZYDIS_MACHINE_MODE_LONG_64;
    for (unsigned i = host.insn.operand_count_visible; i < host.insn.operand_count; ++i) {
      const ZydisDecodedOperand& a = guest_decoded.operands[i];
      const ZydisDecodedOperand& b = host.operands[i];
      if (a.type != b.type || a.type != ZYDIS_OPERAND_TYPE_REGISTER)
        return "a hidden operand is no register";
      if (ZydisRegisterGetClass(a.reg.value) == ZYDIS_REGCLASS_FLAGS) continue;
      if (w_is_ignored && ZydisRegisterGetId(a.reg.value) == ZydisRegisterGetId(b.reg.value))
        continue;
      if (a.reg.value != b.reg.value)
        return "hidden " + name_of(b.reg.value) + ", not " + name_of(a.reg.value);
    }
    return {};
  }

  std::string prefixes() const {
    const bool lock = (guest_decoded.insn.attributes & ZYDIS_ATTRIB_HAS_LOCK) != 0;
    if (host.has_attribute(ZYDIS_ATTRIB_HAS_LOCK) != lock) return "LOCK differs";
    constexpr ZydisInstructionAttributes kUnwanted =
        ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE |
        ZYDIS_ATTRIB_HAS_SEGMENT | ZYDIS_ATTRIB_HAS_ADDRESSSIZE | ZYDIS_ATTRIB_HAS_XACQUIRE |
        ZYDIS_ATTRIB_HAS_XRELEASE;
    return host.has_attribute(kUnwanted) ? "useless prefixes" : "";
  }
};

unsigned visible_count(const Instruction& insn) {
  unsigned count = 0;
  while (count < 4 && insn.operand[count].kind != OperandKind::None) ++count;
  return count;
}

/// XCHG of a register with itself through 90-97.
bool is_no_exchange(const Instruction& insn) {
  return insn.mnemonic == ZYDIS_MNEMONIC_XCHG && insn.modrm_offset == 0 &&
         insn.operand[0].reg == insn.operand[1].reg;
}

bool is_symmetrical(const Instruction& insn) {
  return insn.mnemonic == ZYDIS_MNEMONIC_XCHG || insn.mnemonic == ZYDIS_MNEMONIC_TEST;
}

}  // namespace

std::string compare_encodings(CodeSize size, const Instruction& guest, const Substitution& with,
                              std::span<const u8> bytes) {
  u8 padded[15 + 15] = {};
  if (bytes.size() > 15) return "too long";
  std::copy(bytes.begin(), bytes.end(), padded);
  Decoded host;
  Decoded original;
  if (!differential::decode(CodeSize::Bits64, padded, 15, host)) return "no instruction";
  if (host.insn.length != bytes.size()) return "of length " + std::to_string(host.insn.length);
  if (!differential::decode(size, guest.bytes, guest.length, original))
    return "no instruction of the guest's";
  if (is_no_exchange(guest)) return host.insn.mnemonic == ZYDIS_MNEMONIC_NOP ? "" : "is not NOP";
  if (host.insn.mnemonic != guest.mnemonic) return ZydisMnemonicGetString(host.insn.mnemonic);
  const unsigned count = visible_count(guest);
  if (host.insn.operand_count_visible != count) return "another number of operands";

  const Comparison comparison{guest, original, host, with};
  const bool is_swapped = with.operand_in_memory == 1 && is_symmetrical(guest);
  for (unsigned i = 0; i < count; ++i) {
    const std::string difference = comparison.visible(i, is_swapped ? 1 - i : i);
    if (!difference.empty()) return "operand " + std::to_string(i) + " " + difference;
  }
  // PAUSE with REX.B is the exchange with R8, and Zydis does not know.
  if (original.insn.mnemonic != guest.mnemonic) return {};
  const std::string hidden = comparison.hidden();
  return hidden.empty() ? comparison.prefixes() : hidden;
}

namespace {

bool is_high_byte(const Operand& operand) {
  return operand.kind == OperandKind::Gpr && (operand.reg & 7) != 0;
}

/// Whether this operand, in its place, makes a REX prefix necessary.
bool needs_rex(const Operand& operand, const Substitution& with) {
  if (operand.kind == OperandKind::Memory) {
    return with.memory.base >= 8 ||
           (with.memory.index != HostMemory::kNone && with.memory.index >= 8);
  }
  if (operand.kind != OperandKind::Gpr || is_high_byte(operand)) return false;
  const u8 host = with.registers[operand.reg >> 3];
  return host >= 8 || (operand.bytes == 1 && host >= 4) || operand.bytes == 8;
}

bool has_forbidden_high_byte(const Instruction& guest, const Substitution& with) {
  bool high = false;
  bool rex = false;
  for (unsigned i = 0; i < 4; ++i) {
    const Operand& operand = guest.operand[i];
    if (i == with.operand_in_memory) {
      Operand memory;
      memory.kind = OperandKind::Memory;
      rex = rex || needs_rex(memory, with);
      continue;
    }
    rex = rex || needs_rex(operand, with);
    if (!is_high_byte(operand)) continue;
    high = true;
    if (with.registers[operand.reg >> 3] != operand.reg >> 3) return true;
  }
  return high && rex;
}

}  // namespace

bool may_be_refused(const Instruction& guest, const Substitution& with) {
  if (has_forbidden_high_byte(guest, with)) return true;
  for (const Operand& operand : guest.operand) {
    if (operand.kind == OperandKind::Segment || operand.kind == OperandKind::Control ||
        operand.kind == OperandKind::Debug)
      return true;
  }
  switch (guest.mnemonic) {
    case ZYDIS_MNEMONIC_MOVSD:
    case ZYDIS_MNEMONIC_CMPSD:
      return guest.modrm_offset == 0;
    case ZYDIS_MNEMONIC_BSWAP:
    case ZYDIS_MNEMONIC_MOVSXD:
      return guest.width == 2;
    case ZYDIS_MNEMONIC_BT:
    case ZYDIS_MNEMONIC_BTC:
    case ZYDIS_MNEMONIC_BTR:
    case ZYDIS_MNEMONIC_BTS:
      return guest.operand[0].kind == OperandKind::Memory &&
             guest.operand[1].kind == OperandKind::Gpr;
    default:
      return false;
  }
}

std::string bytes_text(std::span<const u8> bytes) {
  std::string text;
  for (const u8 byte : bytes) {
    char two[4];
    std::snprintf(two, sizeof two, "%02X ", byte);
    text += two;
  }
  return text;
}

}  // namespace doppel::jit
