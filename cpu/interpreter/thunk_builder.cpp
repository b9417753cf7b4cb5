#include "cpu/interpreter/thunk_builder.h"

#include <cstddef>

#include <Zydis/Zydis.h>

namespace doppel::cpu {
namespace {

// Host registers of vector operands, by the field of the encoding that names them.
constexpr unsigned kReg = 1, kVvvv = 2, kRm = 3, kIs4 = 4;

constexpr size_t kYmm0 = offsetof(CpuState, ymm);
constexpr size_t kMxcsr = offsetof(CpuState, x87) + offsetof(X87State, mxcsr);
constexpr size_t gpr_at(Gpr reg) { return offsetof(CpuState, gpr) + size_t{reg} * 8; }

/// A decoded candidate: host bytes, and what Zydis makes of them.
struct Candidate {
  u8 bytes[15] = {};
  u8 size = 0;
  ZydisDecodedInstruction decoded;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

/// What a candidate is made with; the rest comes from the form.
struct Choice {
  u8 prefix = 0;  ///< Mandatory prefix of a legacy encoding.
  bool wide = false;
  u8 reg = kReg;
  u8 rm = kRm;       ///< A register, or the register that holds the address.
  bool vvvv = true;  ///< VEX.vvvv names an operand.
};

bool is_is4(const SimdForm& form) {
  return form.vex && form.map == 3 && form.opcode >= 0x4a && form.opcode <= 0x4c;
}

bool has_immediate(const SimdForm& form) {
  if (form.map == 3) return true;
  if (form.map == 2) return false;
  return (form.opcode >= 0x70 && form.opcode <= 0x73) || form.opcode == 0xc2 ||
         (form.opcode >= 0xc4 && form.opcode <= 0xc6);
}

void encode(const SimdForm& form, const Choice& choice, Candidate& out) {
  out.size = 0;
  const auto put = [&](unsigned byte) { out.bytes[out.size++] = static_cast<u8>(byte); };
  if (form.vex) {
    put(0xc4);
    put(0xe0u | form.map);
    const unsigned vvvv = choice.vvvv ? ~kVvvv & 15 : 15;
    put((choice.wide ? 0x80u : 0) | vvvv << 3 | (form.vex_l ? 4u : 0) | form.vex_pp);
  } else {
    if (choice.prefix != 0) put(choice.prefix);
    if (choice.wide) put(0x48);
    put(0x0f);
    if (form.map == 2) put(0x38);
    if (form.map == 3) put(0x3a);
  }
  put(form.opcode);
  const unsigned reg = form.has_group() ? form.group : choice.reg;
  put((form.memory ? 0u : 0xc0u) | reg << 3 | choice.rm);
  if (is_is4(form)) {
    put(kIs4 << 4);
  } else if (has_immediate(form)) {
    put(form.immediate);
  }
}

bool decode(const ZydisDecoder& decoder, const SimdForm& form, Candidate& out) {
  return ZYAN_SUCCESS(
             ZydisDecoderDecodeFull(&decoder, out.bytes, out.size, &out.decoded, out.operands)) &&
         out.decoded.mnemonic == form.mnemonic && out.decoded.length == out.size;
}

OperandKind kind_of(const ZydisDecodedOperand& operand) {
  if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY) return OperandKind::Memory;
  if (operand.type == ZYDIS_OPERAND_TYPE_IMMEDIATE) return OperandKind::Immediate;
  if (operand.type != ZYDIS_OPERAND_TYPE_REGISTER) return OperandKind::None;
  switch (ZydisRegisterGetClass(operand.reg.value)) {
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64:
      return OperandKind::Gpr;
    case ZYDIS_REGCLASS_MMX:
      return OperandKind::Mmx;
    case ZYDIS_REGCLASS_XMM:
      return OperandKind::Xmm;
    case ZYDIS_REGCLASS_YMM:
      return OperandKind::Ymm;
    default:
      return OperandKind::None;
  }
}

/// Same kinds of operands as the guest's instruction; with `sizes`, of the same sizes where these
/// depend on W.
bool matches(const Candidate& candidate, const Instruction& insn, bool sizes) {
  for (unsigned i = 0; i < candidate.decoded.operand_count_visible && i < 4; ++i) {
    const OperandKind kind = kind_of(candidate.operands[i]);
    if (kind == OperandKind::None || kind != insn.operand[i].kind) return false;
    const bool sized = kind == OperandKind::Memory || kind == OperandKind::Gpr;
    if (sizes && sized && candidate.operands[i].size / 8 != insn.operand[i].bytes) return false;
  }
  return true;
}

/// Finds prefix, W and vvvv that give the guest's instruction. Outside 64-bit code some of them
/// mean nothing and may stand in any way, so this tries rather than copies.
bool find_choice(const ZydisDecoder& decoder, const SimdForm& form, const Instruction& insn,
                 Choice& choice, Candidate& candidate) {
  // F2 and F3 win over 66; where the instruction heeds neither, both may stand.
  const u8 prefixes[] = {form.repeat, static_cast<u8>(form.operand_size ? 0x66 : 0), 0};
  for (const bool sizes : {true, false}) {
    for (const u8 prefix : prefixes) {
      for (const bool wide : {form.wide, false}) {
        for (const bool vvvv : {true, false}) {
          if (!vvvv && !form.vex) continue;
          choice.prefix = prefix;
          choice.wide = wide;
          choice.vvvv = vvvv;
          encode(form, choice, candidate);
          if (decode(decoder, form, candidate) && matches(candidate, insn, sizes)) return true;
        }
      }
    }
  }
  return false;
}

/// Puts general registers into RAX and memory behind the address register of its operand.
bool place_operands(const ZydisDecoder& decoder, const SimdForm& form, Choice& choice,
                    Candidate& candidate) {
  for (unsigned i = 0; i < candidate.decoded.operand_count_visible; ++i) {
    const ZydisDecodedOperand& operand = candidate.operands[i];
    if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY) {
      if (i > 2) return false;
      choice.rm = ThunkCode::kAddress[i];
    } else if (kind_of(operand) == OperandKind::Gpr) {
      (operand.encoding == ZYDIS_OPERAND_ENCODING_MODRM_REG ? choice.reg : choice.rm) = 0;
    }
  }
  encode(form, choice, candidate);
  return decode(decoder, form, candidate);
}

bool host_has(ZydisISASet set) {
  switch (set) {
    case ZYDIS_ISA_SET_PENTIUMMMX:
    case ZYDIS_ISA_SET_SSE:
    case ZYDIS_ISA_SET_SSE2:
    case ZYDIS_ISA_SET_SSE2MMX:
      return true;
    case ZYDIS_ISA_SET_SSE3:
      return host_supports(Feature::sse3);
    case ZYDIS_ISA_SET_SSSE3:
    case ZYDIS_ISA_SET_SSSE3MMX:
      return host_supports(Feature::ssse3);
    case ZYDIS_ISA_SET_SSE4:
      return host_supports(Feature::sse4_1);
    case ZYDIS_ISA_SET_SSE42:
      return host_supports(Feature::sse4_2);
    case ZYDIS_ISA_SET_AES:
      return host_supports(Feature::aes);
    case ZYDIS_ISA_SET_PCLMULQDQ:
      return host_supports(Feature::pclmulqdq);
    case ZYDIS_ISA_SET_AVX:
      return host_supports(Feature::avx) && host_supports(Feature::pclmulqdq);
    case ZYDIS_ISA_SET_AVXAES:
      return host_supports(Feature::avx) && host_supports(Feature::aes);
    case ZYDIS_ISA_SET_AVX2:
      return host_supports(Feature::avx2);
    case ZYDIS_ISA_SET_FMA:
      return host_supports(Feature::fma);
    case ZYDIS_ISA_SET_F16C:
      return host_supports(Feature::f16c);
    default:
      return false;
  }
}

/// The instruction reads and writes MXCSR.
bool uses_mxcsr(const ZydisDecodedInstruction& decoded) {
  switch (decoded.meta.exception_class) {
    case ZYDIS_EXCEPTION_CLASS_SSE2:
    case ZYDIS_EXCEPTION_CLASS_SSE3:
    case ZYDIS_EXCEPTION_CLASS_AVX2:
    case ZYDIS_EXCEPTION_CLASS_AVX3:
    case ZYDIS_EXCEPTION_CLASS_AVX11:
      return true;
    default:
      break;
  }
  switch (decoded.mnemonic) {
    case ZYDIS_MNEMONIC_CVTPI2PS:
    case ZYDIS_MNEMONIC_CVTPI2PD:
    case ZYDIS_MNEMONIC_CVTPS2PI:
    case ZYDIS_MNEMONIC_CVTPD2PI:
    case ZYDIS_MNEMONIC_CVTTPS2PI:
    case ZYDIS_MNEMONIC_CVTTPD2PI:
      return true;
    default:
      return false;
  }
}

/// @source Intel SDM Vol. 2A, "Exception Classification": types 1, 2 and 4 of legacy SSE, type 1 of
/// VEX
u8 alignment_mask(const ZydisDecodedInstruction& decoded, size_t bytes) {
  switch (decoded.mnemonic) {
    case ZYDIS_MNEMONIC_MOVUPS:
    case ZYDIS_MNEMONIC_MOVUPD:
    case ZYDIS_MNEMONIC_MOVDQU:
    case ZYDIS_MNEMONIC_LDDQU:
    case ZYDIS_MNEMONIC_PCMPESTRI:
    case ZYDIS_MNEMONIC_PCMPESTRM:
    case ZYDIS_MNEMONIC_PCMPISTRI:
    case ZYDIS_MNEMONIC_PCMPISTRM:
      return 0;
    default:
      break;
  }
  if (decoded.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX) {
    return decoded.meta.exception_class == ZYDIS_EXCEPTION_CLASS_AVX1 ? static_cast<u8>(bytes - 1)
                                                                      : 0;
  }
  return bytes == 16 ? 15 : 0;
}

/// Emits loads before, or stores after, the instruction.
class OperandMover {
 public:
  OperandMover(const Candidate& candidate, ThunkCode& code)
      : candidate_(candidate),
        code_(code),
        vex_(candidate.decoded.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX) {}

  /// False if an operand is not one a thunk may touch.
  bool load() {
    // Hidden operands last: PCMPESTRI's RDX holds an operand's address until then.
    for (unsigned i = 0; i < candidate_.decoded.operand_count; ++i) {
      const ZydisDecodedOperand& operand = candidate_.operands[i];
      if (operand.type == ZYDIS_OPERAND_TYPE_IMMEDIATE) continue;
      const bool visible = i < candidate_.decoded.operand_count_visible;
      if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY) {
        if (!visible || !good_memory(operand, i)) return false;
      } else if (operand.type != ZYDIS_OPERAND_TYPE_REGISTER) {
        return false;
      } else if (!(visible ? load_named(operand, i) : load_hidden(operand))) {
        return false;
      }
    }
    return true;
  }

  void store() {
    for (unsigned i = 0; i < candidate_.decoded.operand_count; ++i) {
      const ZydisDecodedOperand& operand = candidate_.operands[i];
      if (operand.type != ZYDIS_OPERAND_TYPE_REGISTER || !written(operand)) continue;
      if (i < candidate_.decoded.operand_count_visible) {
        store_named(operand, i);
      } else {
        store_hidden(operand);
      }
    }
  }

  bool uses_ymm = false;
  bool uses_mmx = false;
  bool writes_flags = false;

 private:
  static bool written(const ZydisDecodedOperand& operand) {
    return (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
  }

  bool good_memory(const ZydisDecodedOperand& operand, unsigned slot) const {
    const auto& mem = operand.mem;
    return mem.type == ZYDIS_MEMOP_TYPE_MEM && mem.index == ZYDIS_REGISTER_NONE &&
           mem.disp.value == 0 && ZydisRegisterGetClass(mem.base) == ZYDIS_REGCLASS_GPR64 &&
           ZydisRegisterGetId(mem.base) == ThunkCode::kAddress[slot];
  }

  bool load_named(const ZydisDecodedOperand& operand, unsigned slot) {
    if (slot > 3) return false;
    const auto id = static_cast<unsigned>(ZydisRegisterGetId(operand.reg.value));
    const ZydisRegisterClass klass = ZydisRegisterGetClass(operand.reg.value);
    const bool vector = id >= kReg && id <= kIs4;
    switch (klass) {
      case ZYDIS_REGCLASS_XMM:
        if (vex_)
          code_.vex_load_xmm(id, slot);
        else
          code_.load_xmm(id, slot);
        return vector;
      case ZYDIS_REGCLASS_YMM:
        uses_ymm = true;
        code_.load_ymm(id, slot);
        return vector;
      case ZYDIS_REGCLASS_MMX:
        uses_mmx = true;
        code_.load_mmx(id, slot);
        return vector;
      case ZYDIS_REGCLASS_GPR32:
      case ZYDIS_REGCLASS_GPR64:
        code_.load_rax(slot);
        return id == 0;
      default:
        return false;
    }
  }

  bool load_hidden(const ZydisDecodedOperand& operand) {
    switch (operand.reg.value) {
      case ZYDIS_REGISTER_XMM0:
        if (!vex_) code_.load_state_xmm0(kYmm0);
        return true;
      case ZYDIS_REGISTER_EAX:
      case ZYDIS_REGISTER_RAX:
        code_.load_state_gpr(RAX, gpr_at(RAX));
        return true;
      case ZYDIS_REGISTER_EDX:
      case ZYDIS_REGISTER_RDX:
        code_.load_state_gpr(RDX, gpr_at(RDX));
        return true;
      case ZYDIS_REGISTER_ECX:
      case ZYDIS_REGISTER_RCX:
        return written(operand);
      case ZYDIS_REGISTER_FLAGS:
      case ZYDIS_REGISTER_EFLAGS:
      case ZYDIS_REGISTER_RFLAGS:
        writes_flags = true;
        return true;
      default:
        return false;
    }
  }

  void store_named(const ZydisDecodedOperand& operand, unsigned slot) {
    const auto id = static_cast<unsigned>(ZydisRegisterGetId(operand.reg.value));
    switch (ZydisRegisterGetClass(operand.reg.value)) {
      case ZYDIS_REGCLASS_XMM:
        // VEX.128 has cleared the upper half of the host's register: that is stored too.
        if (vex_)
          code_.store_ymm(id, slot);
        else
          code_.store_xmm(id, slot);
        break;
      case ZYDIS_REGCLASS_YMM:
        code_.store_ymm(id, slot);
        break;
      case ZYDIS_REGCLASS_MMX:
        code_.store_mmx(id, slot);
        break;
      default:
        code_.store_rax(slot);
        break;
    }
  }

  void store_hidden(const ZydisDecodedOperand& operand) {
    switch (operand.reg.value) {
      case ZYDIS_REGISTER_XMM0:
        if (vex_)
          code_.store_state_ymm0(kYmm0);
        else
          code_.store_state_xmm0(kYmm0);
        break;
      case ZYDIS_REGISTER_ECX:
      case ZYDIS_REGISTER_RCX:
        code_.store_state_gpr(RCX, gpr_at(RCX));
        break;
      default:
        break;
    }
  }

  const Candidate& candidate_;
  ThunkCode& code_;
  const bool vex_;
};

void describe_memory(const Candidate& candidate, HostThunk& thunk) {
  for (unsigned i = 0; i < candidate.decoded.operand_count_visible; ++i) {
    const ZydisDecodedOperand& operand = candidate.operands[i];
    if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY) continue;
    thunk.memory_operand = static_cast<u8>(i);
    thunk.memory_bytes = static_cast<u8>(operand.size / 8);
    thunk.writes_memory = (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
    thunk.alignment_mask = alignment_mask(candidate.decoded, thunk.memory_bytes);
  }
}

}  // namespace

u64 SimdForm::key() const {
  return u64{mnemonic} | u64{opcode} << 16 | u64{immediate} << 24 | u64{group} << 32 |
         u64{map} << 36 | u64{vex_pp} << 40 | u64{repeat} << 44 | u64{operand_size} << 52 |
         u64{wide} << 53 | u64{vex} << 54 | u64{vex_l} << 55 | u64{memory} << 56 |
         u64{wide_operand} << 57 | u64{wide_register} << 58;
}

std::optional<SimdForm> SimdForm::of(const Instruction& insn) {
  SimdForm form;
  form.mnemonic = insn.mnemonic;
  unsigned i = insn.opcode_offset;
  if (insn.modrm_offset == 0 || insn.modrm_offset >= insn.length || i >= insn.modrm_offset)
    return {};
  form.vex = insn.has(prefix::kVex);
  form.wide = insn.has(prefix::kRexW);
  if (form.vex) {
    // C5: R vvvv L pp; C4: RXB mmmmm, W vvvv L pp.
    const bool three = insn.bytes[i] == 0xc4;
    form.map = three ? insn.bytes[i + 1] & 0x1f : 1;
    form.vex_pp = insn.bytes[i + (three ? 2 : 1)] & 3;
    form.vex_l = insn.has(prefix::kVexL);
    i += three ? 3 : 2;
  } else {
    form.operand_size = insn.has(prefix::kOperandSize);
    form.repeat = insn.has(prefix::kRep) ? 0xf3 : insn.has(prefix::kRepne) ? 0xf2 : 0;
    if (insn.bytes[i++] != 0x0f) return {};
    if (insn.bytes[i] == 0x38) form.map = 2;
    if (insn.bytes[i] == 0x3a) form.map = 3;
    if (form.map != 1) ++i;
  }
  if (form.map < 1 || form.map > 3 || i + 1u != insn.modrm_offset) return {};
  form.opcode = insn.bytes[i];
  const u8 modrm = insn.bytes[insn.modrm_offset];
  form.memory = modrm < 0xc0;
  if (form.has_group()) form.group = modrm >> 3 & 7;
  if (has_immediate(form) && !is_is4(form)) form.immediate = insn.bytes[insn.length - 1];
  for (const Operand& operand : insn.operand) {
    form.wide_operand = form.wide_operand || (operand.kind == OperandKind::Memory && operand.bytes == 8);
    form.wide_register = form.wide_register || (operand.kind == OperandKind::Gpr && operand.bytes == 8);
  }
  return form;
}

bool build_thunk(const SimdForm& form, const Instruction& insn, ThunkCode& code, HostThunk& thunk) {
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  Choice choice;
  Candidate candidate;
  if (!find_choice(decoder, form, insn, choice, candidate) ||
      !place_operands(decoder, form, choice, candidate) ||
      !host_has(candidate.decoded.meta.isa_set)) {
    return false;
  }
  describe_memory(candidate, thunk);
  thunk.may_trap = uses_mxcsr(candidate.decoded);

  OperandMover operands(candidate, code);
  if (!operands.load()) return false;
  thunk.writes_flags = operands.writes_flags;
  if (thunk.may_trap) code.load_mxcsr(kMxcsr);
  code.put_bytes({candidate.bytes, candidate.size});
  if (thunk.writes_flags) code.flags_to_r10();
  if (thunk.may_trap) code.store_mxcsr(kMxcsr);
  operands.store();
  if (thunk.may_trap) code.restore_mxcsr(kMxcsr);
  if (operands.uses_ymm) code.vzeroupper();
  // CVTPI2PS may claim the x87 registers even for a memory operand.
  if (operands.uses_mmx || form.mnemonic == ZYDIS_MNEMONIC_CVTPI2PS) code.emms();
  if (thunk.writes_flags)
    code.return_r10();
  else
    code.return_zero();
  return true;
}

}  // namespace doppel::cpu
