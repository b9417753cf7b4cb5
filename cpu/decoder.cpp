#include "cpu/decoder.h"

#include <cstring>

#include <Zydis/Zydis.h>

#include "cpu/feature_gate.h"
#include "cpu/instruction_table.h"
#include "cpu/state.h"

namespace doppel::cpu {
namespace {

constexpr u8 kZero = kZeroRegister * 8;
constexpr u8 kRip = kRipRegister * 8;
constexpr size_t kLongestInstruction = 15;

/// Byte offset of a general register in CpuState::gpr.
u8 gpr_offset(ZydisRegister reg) {
  if (reg >= ZYDIS_REGISTER_AL && reg <= ZYDIS_REGISTER_BL) {
    return static_cast<u8>((reg - ZYDIS_REGISTER_AL) * 8);
  }
  if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH) {
    return static_cast<u8>((reg - ZYDIS_REGISTER_AH) * 8 + 1);
  }
  if (reg >= ZYDIS_REGISTER_SPL && reg <= ZYDIS_REGISTER_R15B) {
    return static_cast<u8>((reg - ZYDIS_REGISTER_SPL + 4) * 8);
  }
  return static_cast<u8>(ZydisRegisterGetId(reg) * 8);
}

u8 address_register(ZydisRegister reg) {
  if (reg == ZYDIS_REGISTER_NONE) return kZero;
  if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP) return kRip;
  return gpr_offset(reg);
}

Seg segment_of(ZydisRegister reg) {
  switch (reg) {
    case ZYDIS_REGISTER_ES: return Seg::ES;
    case ZYDIS_REGISTER_CS: return Seg::CS;
    case ZYDIS_REGISTER_SS: return Seg::SS;
    case ZYDIS_REGISTER_FS: return Seg::FS;
    case ZYDIS_REGISTER_GS: return Seg::GS;
    default: return Seg::DS;
  }
}

Operand register_operand(const ZydisDecodedOperand& from) {
  Operand to;
  const ZydisRegister reg = from.reg.value;
  const u8 id = static_cast<u8>(ZydisRegisterGetId(reg));
  to.bytes = static_cast<u8>(from.size / 8);
  to.reg = id;
  switch (ZydisRegisterGetClass(reg)) {
    case ZYDIS_REGCLASS_GPR8:
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64:
      to.kind = OperandKind::Gpr;
      to.reg = gpr_offset(reg);
      break;
    case ZYDIS_REGCLASS_SEGMENT:
      to.kind = OperandKind::Segment;
      to.reg = static_cast<u8>(segment_of(reg));
      break;
    case ZYDIS_REGCLASS_CONTROL: to.kind = OperandKind::Control; break;
    case ZYDIS_REGCLASS_DEBUG: to.kind = OperandKind::Debug; break;
    case ZYDIS_REGCLASS_X87: to.kind = OperandKind::X87; break;
    case ZYDIS_REGCLASS_MMX: to.kind = OperandKind::Mmx; break;
    case ZYDIS_REGCLASS_XMM: to.kind = OperandKind::Xmm; break;
    case ZYDIS_REGCLASS_YMM: to.kind = OperandKind::Ymm; break;
    default: break;
  }
  return to;
}

void memory_operand(const ZydisDecodedInstruction& decoded, const ZydisDecodedOperand& from, Instruction& out) {
  const auto& mem = from.mem;
  out.segment = segment_of(mem.segment);
  out.base = address_register(mem.base);
  if (mem.type == ZYDIS_MEMOP_TYPE_VSIB) {
    // A vector of indexes: the number of the vector register, for the gather handlers.
    out.index = static_cast<u8>(ZydisRegisterGetId(mem.index));
  } else {
    out.index = address_register(mem.index);
  }
  out.scale = mem.scale > 1 ? static_cast<u8>(__builtin_ctz(mem.scale)) : 0;
  out.displacement = static_cast<u64>(mem.disp.has_displacement ? mem.disp.value : 0);
  // SIB base 101 with mod 00 means a displacement and no base, R13 included; Zydis 4.0 shows R13D
  // and no displacement where a 67 prefix stands.
  const bool has_sib = (decoded.attributes & ZYDIS_ATTRIB_HAS_SIB) != 0;
  if (has_sib && decoded.raw.modrm.mod == 0 && decoded.raw.sib.base == 5) {
    out.base = kZero;
    out.displacement = static_cast<u64>(decoded.raw.disp.value);
  }
}

OperandField field_of(const ZydisDecodedOperand& from) {
  switch (from.encoding) {
    case ZYDIS_OPERAND_ENCODING_MODRM_REG: return OperandField::Reg;
    case ZYDIS_OPERAND_ENCODING_MODRM_RM: return OperandField::Rm;
    case ZYDIS_OPERAND_ENCODING_OPCODE: return OperandField::Opcode;
    case ZYDIS_OPERAND_ENCODING_NDSNDD: return OperandField::Vvvv;
    case ZYDIS_OPERAND_ENCODING_IS4: return OperandField::Is4;
    default: return OperandField::None;
  }
}

u8 access_of(const ZydisDecodedOperand& from) {
  return static_cast<u8>(((from.actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0 ? memory_access::kRead : 0) |
                         ((from.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0 ? memory_access::kWrite : 0));
}

/// Shifts and rotates by CL leave all flags alone where the count is 0.
bool is_shift_by_register(const Instruction& insn) {
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_RCL:
    case ZYDIS_MNEMONIC_RCR:
    case ZYDIS_MNEMONIC_ROL:
    case ZYDIS_MNEMONIC_ROR:
    case ZYDIS_MNEMONIC_SAR:
    case ZYDIS_MNEMONIC_SHL:
    case ZYDIS_MNEMONIC_SHR:
      return insn.operand[1].kind == OperandKind::Gpr;
    case ZYDIS_MNEMONIC_SHLD:
    case ZYDIS_MNEMONIC_SHRD:
      return insn.operand[2].kind == OperandKind::Gpr;
    default:
      return false;
  }
}

bool is_shift(const Instruction& insn) {
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_RCL:
    case ZYDIS_MNEMONIC_RCR:
    case ZYDIS_MNEMONIC_ROL:
    case ZYDIS_MNEMONIC_ROR:
    case ZYDIS_MNEMONIC_SAR:
    case ZYDIS_MNEMONIC_SHL:
    case ZYDIS_MNEMONIC_SHR:
    case ZYDIS_MNEMONIC_SHLD:
    case ZYDIS_MNEMONIC_SHRD:
      return true;
    default:
      return false;
  }
}

bool has_far_pointer(const Instruction& insn) { return insn.operand[0].kind == OperandKind::FarPointer; }

/// An immediate count may be 0 too, behind the mask.
bool is_shift_by_nothing(const Instruction& insn) {
  return is_shift(insn) && (insn.immediate & (insn.width == 8 ? 63 : 31)) == 0;
}

void note_flags(const ZydisDecodedInstruction& decoded, Instruction& out) {
  if (decoded.cpu_flags == nullptr) return;
  const ZydisAccessedFlags& flags = *decoded.cpu_flags;
  out.flags_read = static_cast<u16>(flags.tested & rflags::kArithmetic);
  out.flags_touched =
      static_cast<u16>((flags.modified | flags.set_0 | flags.set_1 | flags.undefined) & rflags::kArithmetic);
  if (is_shift_by_register(out) || is_shift_by_nothing(out)) return;
  // What the manual leaves undefined, doppel leaves alone here (cpu/flags.h).
  switch (out.mnemonic) {
    case ZYDIS_MNEMONIC_BT:
    case ZYDIS_MNEMONIC_BTC:
    case ZYDIS_MNEMONIC_BTR:
    case ZYDIS_MNEMONIC_BTS:
      out.flags_written = rflags::CF;
      return;
    case ZYDIS_MNEMONIC_DIV:
    case ZYDIS_MNEMONIC_IDIV:
      out.flags_undefined = rflags::kArithmetic;
      return;
    default:
      break;
  }
  out.flags_undefined = static_cast<u16>(flags.undefined & rflags::kArithmetic);
  out.flags_written = out.flags_touched;
}

/// Prefixes as they stand, whether the instruction heeds them or not.
void note_prefixes(const ZydisDecodedInstruction& decoded, Instruction& out) {
  for (unsigned i = 0; i < decoded.raw.prefix_count; ++i) {
    switch (decoded.raw.prefixes[i].value) {
      case 0xf0: out.prefixes |= prefix::kLock; break;
      case 0xf3: out.prefixes = static_cast<u8>((out.prefixes & ~prefix::kRepne) | prefix::kRep); break;
      case 0xf2: out.prefixes = static_cast<u8>((out.prefixes & ~prefix::kRep) | prefix::kRepne); break;
      case 0x66: out.prefixes |= prefix::kOperandSize; break;
      default: break;
    }
  }
  out.opcode_offset = decoded.raw.prefix_count;
  if (decoded.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX) {
    out.prefixes |= prefix::kVex;
    if (decoded.raw.vex.W != 0) out.prefixes |= prefix::kRexW;
    if (decoded.raw.vex.L != 0) out.prefixes |= prefix::kVexL;
    out.opcode_offset = decoded.raw.vex.offset;
  } else if ((decoded.attributes & ZYDIS_ATTRIB_HAS_REX) != 0) {
    out.prefixes |= prefix::kRex;
    if (decoded.raw.rex.W != 0) out.prefixes |= prefix::kRexW;
    out.opcode_offset = static_cast<u8>(decoded.raw.rex.offset + 1);
  }
}

void fill_operands(const ZydisDecodedInstruction& decoded, const ZydisDecodedOperand* operands,
                   Instruction& out) {
  bool immediate_seen = false;
  const unsigned count = decoded.operand_count_visible < 4 ? decoded.operand_count_visible : 4;
  for (unsigned i = 0; i < count; ++i) {
    const ZydisDecodedOperand& from = operands[i];
    Operand& to = out.operand[i];
    switch (from.type) {
      case ZYDIS_OPERAND_TYPE_REGISTER:
        to = register_operand(from);
        to.field = field_of(from);
        break;
      case ZYDIS_OPERAND_TYPE_MEMORY:
        to.kind = OperandKind::Memory;
        to.field = field_of(from);
        out.memory_access = access_of(from);
        to.bytes = static_cast<u8>(from.size / 8 > 255 ? 0 : from.size / 8);
        memory_operand(decoded, from, out);
        break;
      case ZYDIS_OPERAND_TYPE_POINTER:
        to.kind = OperandKind::FarPointer;
        out.immediate = from.ptr.offset;
        out.immediate2 = from.ptr.segment;
        break;
      case ZYDIS_OPERAND_TYPE_IMMEDIATE:
        to.kind = from.imm.is_relative ? OperandKind::Relative : OperandKind::Immediate;
        to.bytes = static_cast<u8>(from.size / 8);
        if (immediate_seen) {
          out.immediate2 = static_cast<u16>(from.imm.value.u);
        } else {
          out.immediate = from.imm.value.u;
        }
        immediate_seen = true;
        break;
      case ZYDIS_OPERAND_TYPE_UNUSED:
        break;
    }
  }
}

/// Hidden memory operands (string instructions, XLAT, MASKMOV) name their segment by prefix alone.
Seg default_segment(const ZydisDecodedInstruction& decoded) {
  const ZydisInstructionAttributes a = decoded.attributes;
  if ((a & ZYDIS_ATTRIB_HAS_SEGMENT_FS) != 0) return Seg::FS;
  if ((a & ZYDIS_ATTRIB_HAS_SEGMENT_GS) != 0) return Seg::GS;
  if ((a & ZYDIS_ATTRIB_HAS_SEGMENT_CS) != 0) return Seg::CS;
  if ((a & ZYDIS_ATTRIB_HAS_SEGMENT_SS) != 0) return Seg::SS;
  if ((a & ZYDIS_ATTRIB_HAS_SEGMENT_ES) != 0) return Seg::ES;
  return Seg::DS;
}

/// REX.B turns 90 into an exchange with R8, and F3 before it changes nothing: Zydis calls it PAUSE.
void make_exchange_with_r8(Instruction& out) {
  out.mnemonic = ZYDIS_MNEMONIC_XCHG;
  out.width = out.has(prefix::kRexW) ? 8 : out.has(prefix::kOperandSize) ? 2 : 4;
  out.operand[0] = {OperandKind::Gpr, R8 * 8, out.width, OperandField::Opcode};
  out.operand[1] = {OperandKind::Gpr, RAX * 8, out.width, OperandField::None};
}

/// Where the values of an instruction stand, for those who meet it again.
void note_tail(const ZydisDecodedInstruction& decoded, const Instruction& insn, DecodeMemo::Tail& tail) {
  const auto& displacement = decoded.raw.disp;
  const auto& immediate = decoded.raw.imm[0];
  if (displacement.size != 0) {
    tail.displacement_at = displacement.offset;
    tail.displacement_bytes = static_cast<u8>(displacement.size / 8);
  }
  if (immediate.size != 0) {
    tail.immediate_at = immediate.offset;
    tail.immediate_bytes = static_cast<u8>(immediate.size / 8);
    tail.immediate_is_signed = immediate.is_signed != 0;
  }
  const bool has_modrm = (decoded.attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0;
  const bool is_vector = insn.thunk != nullptr && immediate.size != 0;
  // Without ModRM a displacement is the whole address of MOV, which is not signed.
  tail.values_matter = decoded.raw.imm[1].size != 0 || (displacement.size != 0 && !has_modrm) || is_vector ||
                       (has_modrm && immediate.size != 0 && is_shift(insn)) || has_far_pointer(insn);
}

void make_refusal(const u8* bytes, size_t available, size_t length, Handler handler, Instruction& out) {
  out = Instruction{};
  out.handler = handler;
  out.length = static_cast<u8>(length == 0 ? 1 : length);
  std::memcpy(out.bytes, bytes, available < kLongestInstruction ? available : kLongestInstruction);
  out.ends_block = true;
}

}  // namespace

struct Decoder::Tables {
  ZydisDecoder protected_mode[3];
  ZydisDecoder real_mode[2];
  ZydisFormatter formatter;
  FeatureGate gate;
  DecodeMemo memo;

  explicit Tables(const CpuModel& model) : gate(model) {
    const auto set_up = [&](ZydisDecoder& decoder, ZydisMachineMode mode, ZydisStackWidth stack) {
      ZydisDecoderInit(&decoder, mode, stack);
      const auto enable = [&](ZydisDecoderMode what, bool on) {
        ZydisDecoderEnableMode(&decoder, what, on ? ZYAN_TRUE : ZYAN_FALSE);
      };
      enable(ZYDIS_DECODER_MODE_MPX, false);
      enable(ZYDIS_DECODER_MODE_CET, false);
      enable(ZYDIS_DECODER_MODE_CLDEMOTE, false);
      // Without the feature these bytes have an older meaning: BSR, BSF, WBINVD.
      enable(ZYDIS_DECODER_MODE_LZCNT, model.has(Feature::lzcnt));
      enable(ZYDIS_DECODER_MODE_TZCNT, model.has(Feature::bmi1));
      enable(ZYDIS_DECODER_MODE_WBNOINVD, model.has(Feature::wbnoinvd));
    };
    set_up(protected_mode[0], ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
    set_up(protected_mode[1], ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    set_up(protected_mode[2], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    set_up(real_mode[0], ZYDIS_MACHINE_MODE_REAL_16, ZYDIS_STACK_WIDTH_16);
    set_up(real_mode[1], ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
  }
};

Decoder::Decoder(const CpuModel& model) : tables_(std::make_unique<Tables>(model)) {}
Decoder::~Decoder() = default;

Decoder::Status Decoder::decode(CodeSize size, bool real, const u8* bytes, size_t available,
                                Instruction& out) const {
  const bool may_remember = available >= DecodeMemo::kBytesRead;
  if (may_remember && tables_->memo.find(size, real, bytes, out)) return Status::Ok;
  DecodeMemo::Tail tail;
  const Status status = decode_with(size, real, bytes, available, out, tail);
  // What has no meaning has no mnemonic.
  if (may_remember && status == Status::Ok && out.mnemonic != ZYDIS_MNEMONIC_INVALID) {
    tables_->memo.remember(size, real, bytes, out, tail);
  }
  return status;
}

Decoder::Status Decoder::decode_anew(CodeSize size, bool real, const u8* bytes, size_t available,
                                     Instruction& out) const {
  DecodeMemo::Tail tail;
  return decode_with(size, real, bytes, available, out, tail);
}

Decoder::Status Decoder::decode_with(CodeSize size, bool real, const u8* bytes, size_t available,
                                     Instruction& out, DecodeMemo::Tail& tail) const {
  if (available > kLongestInstruction) available = kLongestInstruction;
  const ZydisDecoder& decoder = real && size != CodeSize::Bits64
                                    ? tables_->real_mode[static_cast<unsigned>(size)]
                                    : tables_->protected_mode[static_cast<unsigned>(size)];
  ZydisDecoderContext context;
  ZydisDecodedInstruction decoded;
  const ZyanStatus status = ZydisDecoderDecodeInstruction(&decoder, &context, bytes, available, &decoded);
  if (status == ZYDIS_STATUS_NO_MORE_DATA) {
    if (available < kLongestInstruction) return Status::NeedMore;
    make_refusal(bytes, available, kLongestInstruction, interpret_too_long, out);
    return Status::Ok;
  }
  if (status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG) {
    make_refusal(bytes, available, kLongestInstruction, interpret_too_long, out);
    return Status::Ok;
  }
  if (!ZYAN_SUCCESS(status)) {
    // As long as all that was looked at: a store to any of it may make an instruction of it.
    make_refusal(bytes, available, available, interpret_invalid, out);
    return Status::Ok;
  }
  const InstructionRow& row = instruction_row(static_cast<u16>(decoded.mnemonic));
  if (row.klass == InstructionClass::None || !tables_->gate.allows(decoded)) {
    make_refusal(bytes, available, decoded.length, interpret_invalid, out);
    return Status::Ok;
  }
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT_VISIBLE];
  if (decoded.operand_count_visible > 0) {
    ZydisDecoderDecodeOperands(&decoder, &context, &decoded, operands, decoded.operand_count_visible);
  }

  out = Instruction{};
  out.base = out.index = kZero;
  out.mnemonic = static_cast<u16>(decoded.mnemonic);
  out.length = decoded.length;
  out.width = static_cast<u8>(decoded.operand_width / 8);
  out.address_mask = decoded.address_width == 64   ? ~u64{0}
                     : decoded.address_width == 32 ? 0xffff'ffff
                                                   : 0xffff;
  out.segment = default_segment(decoded);
  std::memcpy(out.bytes, bytes, decoded.length);
  note_prefixes(decoded, out);
  out.modrm_offset = (decoded.attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0 ? decoded.raw.modrm.offset : 0;
  out.stack_width = size != CodeSize::Bits64          ? out.width
                    : out.has(prefix::kOperandSize) && !out.has(prefix::kRexW) ? 2
                                                    : 8;
  fill_operands(decoded, operands, out);
  note_flags(decoded, out);
  if (decoded.mnemonic == ZYDIS_MNEMONIC_PAUSE && decoded.raw.rex.B != 0) make_exchange_with_r8(out);
  // VEX.W makes their lengths 64 bits wide in 64-bit code alone; elsewhere it is ignored.
  if (size != CodeSize::Bits64 && (decoded.mnemonic == ZYDIS_MNEMONIC_VPCMPESTRI || decoded.mnemonic == ZYDIS_MNEMONIC_VPCMPESTRM)) {
    out.prefixes = static_cast<u8>(out.prefixes & ~prefix::kRexW);
  }
  // Control and debug registers change what later instructions mean, SS holds off what may come
  // between them; these forms share a mnemonic with harmless ones.
  const Operand& first = out.operand[0];
  out.ends_block = row.then == Then::Ends || first.kind == OperandKind::Control ||
                   first.kind == OperandKind::Debug ||
                   (first.kind == OperandKind::Segment && first.reg == static_cast<u8>(Seg::SS));
  out.handler = instruction_row(out.mnemonic).select(out);
  note_tail(decoded, out, tail);
  return Status::Ok;
}

std::string Decoder::disassemble(CodeSize size, const u8* bytes, size_t available, u64 address,
                                 unsigned* length) const {
  ZydisDecodedInstruction decoded;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  const ZydisDecoder& decoder = tables_->protected_mode[static_cast<unsigned>(size)];
  if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, available, &decoded, operands))) {
    if (length != nullptr) *length = 1;
    return "(bad)";
  }
  if (length != nullptr) *length = decoded.length;
  char text[160];
  ZydisFormatterFormatInstruction(&tables_->formatter, &decoded, operands,
                                  decoded.operand_count_visible, text, sizeof text, address, nullptr);
  return text;
}

}  // namespace doppel::cpu
