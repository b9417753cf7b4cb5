#include "tests/differential/forms.h"

#include <array>
#include <unordered_set>

#include "cpu/instruction_table.h"

namespace doppel::differential {

using cpu::CodeSize;

namespace {

/// What an encoding is made of while the maps are walked.
struct Candidate {
  Form form;
  int reg = 0;
  int rm = 0;
};

size_t assemble(const Candidate& candidate, u8* out) {
  const Form& form = candidate.form;
  size_t n = 0;
  if (form.vex) {
    // R, X and B are stored inverted; vvvv = 1111 names no register.
    out[n++] = 0xc4;
    out[n++] = static_cast<u8>(0xe0 | static_cast<unsigned>(form.map));
    out[n++] = static_cast<u8>((form.w ? 0x80 : 0) | 0x78 | (form.l ? 4 : 0) | static_cast<unsigned>(form.prefix));
  } else {
    static constexpr u8 kPrefixBytes[] = {0, 0x66, 0xf3, 0xf2};
    if (form.prefix != OpcodePrefix::None) out[n++] = kPrefixBytes[static_cast<unsigned>(form.prefix)];
    if (form.w) out[n++] = 0x48;
    if (form.map != OpcodeMap::OneByte) out[n++] = 0x0f;
    if (form.map == OpcodeMap::Map0F38) out[n++] = 0x38;
    if (form.map == OpcodeMap::Map0F3A) out[n++] = 0x3a;
  }
  out[n++] = form.opcode;
  const unsigned mod = form.memory ? 0 : 3;
  out[n++] = static_cast<u8>(mod << 6 | candidate.reg << 3 | candidate.rm);
  // A scaled index other than the registers around it, as gathers demand.
  out[n++] = 0x18;
  while (n < 15) out[n++] = 0;
  return n;
}

ZydisMachineMode machine_mode(CodeSize size) {
  switch (size) {
    case CodeSize::Bits16: return ZYDIS_MACHINE_MODE_LONG_COMPAT_16;
    case CodeSize::Bits32: return ZYDIS_MACHINE_MODE_LONG_COMPAT_32;
    case CodeSize::Bits64: break;
  }
  return ZYDIS_MACHINE_MODE_LONG_64;
}

std::string operand_text(const ZydisDecodedOperand& operand) {
  const std::string bits = std::to_string(operand.size);
  switch (operand.type) {
    case ZYDIS_OPERAND_TYPE_MEMORY:
      if (operand.mem.type == ZYDIS_MEMOP_TYPE_VSIB) return "vsib" + bits;
      return (operand.encoding == ZYDIS_OPERAND_ENCODING_NONE ? "implicit-m" : "m") + bits;
    case ZYDIS_OPERAND_TYPE_IMMEDIATE: return (operand.imm.is_relative ? "rel" : "imm") + bits;
    case ZYDIS_OPERAND_TYPE_POINTER: return "ptr16:" + bits;
    case ZYDIS_OPERAND_TYPE_REGISTER: break;
    default: return "?";
  }
  if (operand.encoding == ZYDIS_OPERAND_ENCODING_NONE) {
    return ZydisRegisterGetString(operand.reg.value);
  }
  switch (ZydisRegisterGetClass(operand.reg.value)) {
    case ZYDIS_REGCLASS_X87: return "st(i)";
    case ZYDIS_REGCLASS_MMX: return "mm";
    case ZYDIS_REGCLASS_XMM: return "xmm";
    case ZYDIS_REGCLASS_YMM: return "ymm";
    case ZYDIS_REGCLASS_SEGMENT: return "sreg";
    case ZYDIS_REGCLASS_CONTROL: return "cr";
    case ZYDIS_REGCLASS_DEBUG: return "dr";
    default: return "r" + bits;
  }
}

bool uses(const Decoded& decoded, ZydisOperandEncoding encoding) {
  for (unsigned i = 0; i < decoded.insn.operand_count; ++i) {
    if (decoded.operands[i].encoding == encoding) return true;
  }
  return false;
}

const char* bits_text(CodeSize size) {
  return size == CodeSize::Bits16 ? "16" : size == CodeSize::Bits32 ? "32" : "64";
}

/// The form's name, which is also what makes two encodings the same form.
std::string describe(const Form& form, const Decoded& decoded) {
  static constexpr const char* kMaps[] = {"", "0F", "0F38", "0F3A"};
  std::string text = bits_text(form.size);
  text += ' ';
  text += ZydisMnemonicGetString(decoded.insn.mnemonic);
  const char* separator = " ";
  for (unsigned i = 0; i < decoded.insn.operand_count_visible; ++i) {
    text += separator + operand_text(decoded.operands[i]);
    separator = ", ";
  }
  char code[64];
  std::snprintf(code, sizeof code, " (%s%s%02X", form.vex ? "VEX." : "",
                kMaps[static_cast<unsigned>(form.map)], form.opcode);
  text += code;
  if (form.fixed_reg >= 0) text += "/" + std::to_string(form.fixed_reg);
  if (form.fixed_rm >= 0) text += " rm=" + std::to_string(form.fixed_rm);
  if (form.vex) {
    text += form.l ? " L1" : " L0";
    text += form.w ? " W1" : " W0";
  } else {
    text += " o" + std::to_string(decoded.insn.operand_width);
  }
  return text + ")";
}

class Walker {
 public:
  std::vector<Form> take() { return std::move(forms_); }

  void walk(CodeSize size, bool vex) {
    for (unsigned map = vex ? 1 : 0; map < 4; ++map) {
      for (unsigned opcode = 0; opcode < 256; ++opcode) {
        for (unsigned prefix = 0; prefix < 4; ++prefix) {
          for (unsigned wl = 0; wl < 4; ++wl) {
            Candidate candidate;
            candidate.form.size = size;
            candidate.form.vex = vex;
            candidate.form.map = static_cast<OpcodeMap>(map);
            candidate.form.opcode = static_cast<u8>(opcode);
            candidate.form.prefix = static_cast<OpcodePrefix>(prefix);
            candidate.form.w = (wl & 1) != 0;
            candidate.form.l = (wl & 2) != 0;
            if (candidate.form.l && !vex) continue;
            if (candidate.form.w && !vex && size != CodeSize::Bits64) continue;
            walk_modrm(candidate);
          }
        }
      }
    }
  }

 private:
  void walk_modrm(Candidate& candidate) {
    for (int memory = 0; memory < 2; ++memory) {
      candidate.form.memory = memory != 0;
      for (int reg = 0; reg < 8; ++reg) {
        for (int rm = 0; rm < 8; ++rm) {
          if (candidate.form.memory && rm != 0 && rm != 4) continue;
          candidate.reg = reg;
          candidate.rm = rm;
          if (!add(candidate)) return;  // No ModRM byte: one look is enough.
        }
      }
    }
  }

  /// False if the opcode has no ModRM byte.
  bool add(const Candidate& candidate) {
    u8 bytes[15];
    const size_t n = assemble(candidate, bytes);
    Decoded decoded;
    if (!decode(candidate.form.size, bytes, n, decoded)) return true;
    if (!candidate.form.vex && decoded.insn.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY) return true;
    if (decoded.insn.opcode != candidate.form.opcode) return false;  // The byte was a prefix.
    const bool has_modrm = decoded.has_attribute(ZYDIS_ATTRIB_HAS_MODRM);
    const cpu::InstructionRow& row = cpu::instruction_row(static_cast<u16>(decoded.insn.mnemonic));
    if (row.klass == cpu::InstructionClass::None) return has_modrm;

    Form form = candidate.form;
    form.mnemonic = static_cast<u16>(decoded.insn.mnemonic);
    form.has_modrm = has_modrm;
    form.memory = has_modrm && candidate.form.memory;
    if (has_modrm && !uses(decoded, ZYDIS_OPERAND_ENCODING_MODRM_REG)) form.fixed_reg = candidate.reg;
    if (has_modrm && !form.memory && !uses(decoded, ZYDIS_OPERAND_ENCODING_MODRM_RM)) form.fixed_rm = candidate.rm;
    if (uses(decoded, ZYDIS_OPERAND_ENCODING_OPCODE)) {
      form.register_in_opcode = true;
      form.opcode &= 0xf8;
    }
    for (unsigned i = 0; i < decoded.insn.operand_count; ++i) {
      const ZydisDecodedOperand& operand = decoded.operands[i];
      if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY && operand.mem.type == ZYDIS_MEMOP_TYPE_VSIB) form.is_vsib = true;
    }
    form.text = describe(form, decoded);
    if (seen_.insert(form.text).second) {
      form.excluded = reason_not_covered(decoded);
      forms_.push_back(std::move(form));
    }
    return has_modrm;
  }

  std::vector<Form> forms_;
  std::unordered_set<std::string> seen_;
};

}  // namespace

bool decode(CodeSize size, const u8* bytes, size_t available, Decoded& out) {
  static const std::array<ZydisDecoder, 3> decoders = [] {
    std::array<ZydisDecoder, 3> made;
    for (CodeSize each : {CodeSize::Bits16, CodeSize::Bits32, CodeSize::Bits64}) {
      ZydisDecoderInit(&made[static_cast<unsigned>(each)], machine_mode(each),
                       each == CodeSize::Bits16   ? ZYDIS_STACK_WIDTH_16
                       : each == CodeSize::Bits32 ? ZYDIS_STACK_WIDTH_32
                                                  : ZYDIS_STACK_WIDTH_64);
    }
    return made;
  }();
  return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoders[static_cast<unsigned>(size)], bytes, available,
                                             &out.insn, out.operands));
}

std::vector<Form> enumerate_forms() {
  Walker walker;
  for (CodeSize size : {CodeSize::Bits16, CodeSize::Bits32, CodeSize::Bits64}) {
    walker.walk(size, false);
    walker.walk(size, true);
  }
  return walker.take();
}

}  // namespace doppel::differential
