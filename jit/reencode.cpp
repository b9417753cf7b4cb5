// Takes an instruction apart into opcode, registers, memory and immediate, exchanges registers and
// memory, and puts it together as 64-bit code has it.
//
// Opcode and immediate are the guest's bytes. Everything between is new: operand size prefixes come
// from the decoded width (a guest's 66 means the opposite in 16-bit code), a prefix that is part
// of a vector opcode from the guest's prefixes, REX from the host's registers. Prefixes without
// an effect are dropped, so every size is as small as the operands allow.
//
// A general register that stands in memory must end up in ModRM.rm. Where the encoding names it
// elsewhere there is sometimes a second encoding: the direction twin of ADD..CMP and MOV, the same
// opcode for TEST and XCHG, the general form of a short one. Its memory operand addresses the
// register's bytes as the instruction names them: the second byte for AH. Writing four bytes of it
// leaves the upper four alone: clearing them, as 64-bit guests expect, is the caller's.

#include "jit/reencode.h"

#include <Zydis/Zydis.h>

#include "cpu/instruction_table.h"
#include "jit/host_encoding.h"
#include "jit/opcode_forms.h"

namespace doppel::jit {
namespace {

using cpu::Instruction;
using cpu::Operand;
using cpu::OperandField;
using cpu::OperandKind;
namespace prefix = cpu::prefix;

class Reencoder {
 public:
  Reencoder(const Instruction& insn, const Substitution& with) : insn_(insn), with_(with) {}

  size_t run(u8* out) {
    if (cpu::instruction_row(insn_.mnemonic).translation != cpu::Translation::identical) return 0;
    if (!find_operands() || !(insn_.has(prefix::kVex) ? set_up_vex() : set_up())) return 0;
    return write_encoding(e_, out);
  }

 private:
  // --- Operands ---------------------------------------------------------------------------------

  bool find_operands() {
    for (unsigned i = 0; i < 4; ++i) {
      const Operand& operand = insn_.operand[i];
      switch (operand.kind) {
        case OperandKind::None:
        case OperandKind::Immediate:
        case OperandKind::X87:
          continue;
        case OperandKind::Memory:
          memory_ = &operand;
          continue;
        case OperandKind::Gpr:
        case OperandKind::Mmx:
        case OperandKind::Xmm:
        case OperandKind::Ymm:
          break;
        default:
          return false;
      }
      if (i == with_.operand_in_memory) {
        if (operand.kind != OperandKind::Gpr) return false;
        moved_ = &operand;
      }
      switch (operand.field) {
        case OperandField::Reg:
          reg_ = &operand;
          break;
        case OperandField::Rm:
          rm_ = &operand;
          break;
        case OperandField::Vvvv:
          vvvv_ = &operand;
          break;
        case OperandField::Opcode:
          in_opcode_ = &operand;
          break;
        case OperandField::Is4:
          is4_ = &operand;
          break;
        case OperandField::None:
          break;
      }
    }
    if (with_.operand_in_memory == Substitution::kNone) return true;
    return moved_ != nullptr && memory_ == nullptr;
  }

  /// False where the register has no encoding.
  bool code_of(const Operand& operand, RegisterCode& code) const {
    if (operand.kind != OperandKind::Gpr) {
      code.number = operand.reg;
      return operand.reg < 16;
    }
    const unsigned guest = operand.reg >> 3;
    if (guest >= kGeneralRegisters) return false;
    const u8 host = with_.registers[guest];
    if (host >= kGeneralRegisters) return false;
    code.number = host;
    if ((operand.reg & 7) != 0) {
      if (guest > 3 || host != guest) return false;
      code.number = static_cast<u8>(host + 4);
      code.forbids_rex = true;
    } else if (operand.bytes == 1) {
      code.needs_rex = host >= 4;
    }
    return true;
  }

  bool put_reg(const Operand& operand) {
    RegisterCode code;
    if (&operand == moved_ || !code_of(operand, code)) return false;
    e_.set_reg(code);
    return true;
  }

  /// ModRM.rm or the opcode's low bits: a register, or memory in its place.
  bool put_rm(const Operand& operand) {
    if (operand.kind == OperandKind::Memory || &operand == moved_) {
      e_.memory = &with_.memory;
      return true;
    }
    RegisterCode code;
    if (!code_of(operand, code)) return false;
    e_.set_rm(code);
    return true;
  }

  const Operand& accumulator() const {
    // Its place differs: XCHG has it second, MOV to an absolute address too.
    for (const Operand& operand : insn_.operand) {
      if (operand.kind == OperandKind::Gpr && operand.field == OperandField::None) return operand;
    }
    return insn_.operand[0];
  }

  // --- Sizes and immediates ---------------------------------------------------------------------

  bool put_width() {
    e_.size_prefix = insn_.width == 2;
    e_.wide = insn_.width == 8;
    return insn_.width == 2 || insn_.width == 4 || insn_.width == 8;
  }

  bool put_immediate(u8 size) {
    if (size == OpcodeRow::kOperandSized && insn_.width == 2) size = 2;
    if (insn_.opcode_offset + size >= insn_.length) return false;
    e_.immediate = insn_.bytes + insn_.length - size;
    e_.immediate_size = size;
    return true;
  }

  u8 modrm() const { return insn_.bytes[insn_.modrm_offset]; }

  // --- Opcodes of the legacy maps ---------------------------------------------------------------

  bool set_up() {
    const u8* at = insn_.bytes + insn_.opcode_offset;
    if (*at == 0x0f) {
      ++at;
      e_.map = *at == 0x38 ? k0f38 : *at == 0x3a ? k0f3a : k0f;
      if (e_.map != k0f) ++at;
    }
    e_.opcode = *at;
    const auto opcode_end = static_cast<size_t>(at + 1 - insn_.bytes);
    if (opcode_end > insn_.length) return false;
    if (insn_.modrm_offset != 0 && insn_.modrm_offset != opcode_end) return false;
    // 82 is 80 where it exists, which is not in 64-bit code.
    if (e_.map == kOneByte && e_.opcode == 0x82) e_.opcode = 0x80;
    // HLE's prefixes beside LOCK are dropped, LOCK itself is part of the meaning.
    e_.lock = insn_.has(prefix::kLock) && memory_ != nullptr;
    const OpcodeRow& row = kOpcodeRows[e_.map][e_.opcode];
    switch (row.form) {
      case OpcodeForm::Refused:
        return false;
      case OpcodeForm::Plain:
        return put_immediate(immediate_of(row)) && put_modrm_operands(row);
      case OpcodeForm::BitString:
        if (memory_ != nullptr || moved_ != nullptr) return false;
        [[fallthrough]];
      case OpcodeForm::Sized:
        return put_sized(row);
      case OpcodeForm::Vector:
        return put_vector(row);
      case OpcodeForm::Accumulator:
        return put_accumulator(row);
      case OpcodeForm::IncrementOld:
        return put_increment();
      case OpcodeForm::Exchange:
        return put_exchange();
      case OpcodeForm::Offset:
        return put_offset();
      case OpcodeForm::MoveImmediate:
        return put_move_immediate();
      case OpcodeForm::Swap:
        return insn_.width != 2 && put_width() && put_opcode_register(0xc8);
    }
    return false;
  }

  u8 immediate_of(const OpcodeRow& row) const {
    const bool is_group_3 = e_.map == kOneByte && (e_.opcode | 1) == 0xf7;
    if (!is_group_3 || (modrm() >> 3 & 7) > 1) return row.immediate;
    return e_.opcode == 0xf6 ? 1 : OpcodeRow::kOperandSized;
  }

  /// ModRM from the operands; fields that name none keep the guest's bits.
  bool put_modrm_operands(const OpcodeRow& row) {
    if (insn_.modrm_offset == 0) {
      // Nothing but the opcode: no operand can have a field.
      return reg_ == nullptr && rm_ == nullptr && in_opcode_ == nullptr && memory_ == nullptr &&
             moved_ == nullptr;
    }
    e_.has_modrm = true;
    e_.reg = modrm() >> 3 & 7;
    e_.rm = modrm() & 7;
    const bool is_memory = modrm() < 0xc0;
    if (is_memory != (memory_ != nullptr)) return false;
    if (moved_ != nullptr && moved_ == reg_ && rm_ != nullptr && row.twin != OpcodeRow::kNoTwin) {
      e_.opcode ^= row.twin;
      return put_reg(*rm_) && put_rm(*reg_);
    }
    if (moved_ != nullptr && moved_ != rm_) return false;
    if (reg_ != nullptr && !put_reg(*reg_)) return false;
    if (is_memory) return put_rm(*memory_);
    return rm_ == nullptr || put_rm(*rm_);
  }

  bool put_sized(const OpcodeRow& row) {
    switch (insn_.mnemonic) {
      case ZYDIS_MNEMONIC_POPCNT:
      case ZYDIS_MNEMONIC_LZCNT:
      case ZYDIS_MNEMONIC_TZCNT:
        e_.mandatory_prefix = 0xf3;
        break;
      case ZYDIS_MNEMONIC_CRC32:
        // The source has a size of its own; REX.W with a byte makes the sum 64 bits wide.
        e_.mandatory_prefix = 0xf2;
        e_.size_prefix = insn_.operand[1].bytes == 2;
        e_.wide = insn_.operand[0].bytes == 8;
        return put_modrm_operands(row);
      case ZYDIS_MNEMONIC_MOVSXD:
        // With 66 the manuals of Intel and AMD read different sizes from memory.
        if (insn_.width == 2) return false;
        break;
      default:
        break;
    }
    return put_width() && put_immediate(immediate_of(row)) && put_modrm_operands(row);
  }

  // F2 and F3 win over 66, and the last of them over the others.
  // @source Intel SDM Vol. 2A, "Instruction Prefixes" (2.1.1)
  bool put_vector(const OpcodeRow& row) {
    const u8 heeded = row.prefixes;
    if (insn_.has(prefix::kRep) && (heeded & mandatory::kF3) != 0) {
      e_.mandatory_prefix = 0xf3;
    } else if (insn_.has(prefix::kRepne) && (heeded & mandatory::kF2) != 0) {
      e_.mandatory_prefix = 0xf2;
    } else if (insn_.has(prefix::kOperandSize) && (heeded & mandatory::k66) != 0) {
      e_.mandatory_prefix = 0x66;
    } else if ((heeded & mandatory::kNone) == 0) {
      return false;
    }
    e_.wide = insn_.has(prefix::kRexW);
    if (moved_ != nullptr && !may_move(*moved_)) return false;
    return put_immediate(row.immediate) && put_modrm_operands(row);
  }

  /// Some extractions write less to memory than to a register.
  bool may_move(const Operand& operand) const {
    switch (insn_.mnemonic) {
      case ZYDIS_MNEMONIC_PEXTRB:
      case ZYDIS_MNEMONIC_PEXTRW:
      case ZYDIS_MNEMONIC_VPEXTRB:
      case ZYDIS_MNEMONIC_VPEXTRW:
        return false;
      case ZYDIS_MNEMONIC_EXTRACTPS:
      case ZYDIS_MNEMONIC_VEXTRACTPS:
        return operand.bytes == 4;
      default:
        return true;
    }
  }

  // --- Short forms ------------------------------------------------------------------------------

  /// The low bits of `opcode` name the register.
  bool put_opcode_register(u8 opcode) {
    if (in_opcode_ == nullptr || in_opcode_ == moved_) return false;
    e_.opcode = opcode;
    return put_rm(*in_opcode_);
  }

  /// `opcode` with ModRM.reg as its extension.
  bool put_group(u8 opcode, u8 extension, const Operand& operand) {
    e_.opcode = opcode;
    e_.has_modrm = true;
    e_.reg = extension;
    return put_rm(operand);
  }

  bool put_accumulator(const OpcodeRow& row) {
    const bool is_byte = (e_.opcode & 1) == 0;
    if (!is_byte && !put_width()) return false;
    const Operand& operand = insn_.operand[0];
    if (operand.kind != OperandKind::Gpr || operand.reg != RAX * 8) return false;
    if (!put_immediate(row.immediate)) return false;
    if (moved_ == nullptr && with_.registers[RAX] == RAX) return true;
    if (moved_ != nullptr && moved_ != &operand) return false;
    const bool is_test = e_.opcode >= 0xa8;
    const u8 general = static_cast<u8>((is_test ? 0xf6 : 0x80) | (is_byte ? 0 : 1));
    return put_group(general, is_test ? 0 : e_.opcode >> 3, operand);
  }

  bool put_increment() {
    return in_opcode_ != nullptr && put_width() &&
           put_group(0xff, e_.opcode >= 0x48 ? 1 : 0, *in_opcode_);
  }

  bool put_exchange() {
    if (insn_.mnemonic != ZYDIS_MNEMONIC_XCHG || in_opcode_ == nullptr || !put_width())
      return false;
    const Operand& other = accumulator();
    if (other.field != OperandField::None || other.reg != RAX * 8) return false;
    if (in_opcode_->reg == other.reg) {
      // 90 is no operation, while 87 C0 would clear the upper half.
      e_.size_prefix = e_.wide = false;
      return moved_ == nullptr;
    }
    e_.opcode = 0x87;
    e_.has_modrm = true;
    const bool swapped = moved_ == &other;
    return put_reg(swapped ? *in_opcode_ : other) && put_rm(swapped ? other : *in_opcode_);
  }

  bool put_offset() {
    if (memory_ == nullptr) return false;
    const bool is_byte = (e_.opcode & 1) == 0;
    if (!is_byte && !put_width()) return false;
    // A0 and A1 load, A2 and A3 store; 8A, 8B and 88, 89 are the general forms.
    e_.opcode = static_cast<u8>((e_.opcode & 2) != 0 ? 0x88 : 0x8a) | (is_byte ? 0 : 1);
    e_.has_modrm = true;
    const Operand& operand = accumulator();
    return operand.kind == OperandKind::Gpr && operand.reg == RAX * 8 && put_reg(operand) &&
           put_rm(*memory_);
  }

  bool put_move_immediate() {
    const bool is_byte = e_.opcode < 0xb8;
    if (!is_byte && !put_width()) return false;
    const u8 size = is_byte ? 1 : insn_.width;
    if (in_opcode_ == nullptr || !put_immediate(size)) return false;
    if (in_opcode_ != moved_) return put_opcode_register(is_byte ? 0xb0 : 0xb8);
    if (size == 8) {
      // C7 extends the sign of its four bytes.
      if (static_cast<u64>(static_cast<i64>(static_cast<i32>(insn_.immediate))) != insn_.immediate)
        return false;
      e_.immediate_size = 4;
    }
    return put_group(is_byte ? 0xc6 : 0xc7, 0, *in_opcode_);
  }

  // --- VEX --------------------------------------------------------------------------------------

  bool set_up_vex() {
    // C5: R vvvv L pp; C4: RXB mmmmm, W vvvv L pp.
    const u8* at = insn_.bytes + insn_.opcode_offset;
    const bool three = *at == 0xc4;
    if (!three && *at != 0xc5) return false;
    const u8 map = three ? at[1] & 0x1f : u8{k0f};
    if (map < k0f || map > k0f3a) return false;
    e_.vex = true;
    e_.map = static_cast<OpcodeMap>(map);
    e_.vex_prefix = at[three ? 2 : 1] & 3;
    e_.vex_l = insn_.has(prefix::kVexL);
    at += three ? 3 : 2;
    e_.opcode = *at;
    if (insn_.modrm_offset != 0 && insn_.modrm_offset != at + 1 - insn_.bytes) return false;
    e_.wide = vex_wide();
    if (vvvv_ != nullptr) {
      RegisterCode code;
      if (vvvv_ == moved_ || !code_of(*vvvv_, code)) return false;
      e_.vvvv = code.number;
    }
    if (moved_ != nullptr && (moved_ != rm_ || !may_move(*moved_))) return false;
    return put_vex_immediate() && put_modrm_operands(OpcodeRow{});
  }

  /// Outside 64-bit code W is often ignored, so where it is the size of an operand, the operand has
  /// the last word. @source Intel SDM Vol. 2A, "VEX.W" in "Instruction Operand Encoding" (2.3.5.4)
  bool vex_wide() const {
    bool has_register = false;
    for (const Operand& operand : insn_.operand) {
      if (operand.kind != OperandKind::Gpr) continue;
      if (operand.bytes == 8) return true;
      has_register = true;
    }
    if (has_register) return false;
    if (memory_ != nullptr && w_sizes_memory()) return memory_->bytes == 8;
    return insn_.has(prefix::kRexW);
  }

  bool w_sizes_memory() const {
    constexpr u8 k66 = 1;
    switch (e_.map) {
      case k0f:
        // VCVTSI2SS, VCVTSI2SD; VMOVD, VMOVQ.
        return (e_.opcode == 0x2a && e_.vex_prefix != 0) ||
               ((e_.opcode == 0x6e || e_.opcode == 0x7e) && e_.vex_prefix == k66);
      case k0f3a:
        return e_.opcode == 0x16 || e_.opcode == 0x22;  // VPEXTRD, VPINSRD and their like
      default:
        return false;
    }
  }

  bool put_vex_immediate() {
    const bool has_immediate =
        e_.map == k0f3a || (e_.map == k0f && kOpcodeRows[k0f][e_.opcode].immediate != 0);
    if (!has_immediate) return true;
    if (is4_ == nullptr) return put_immediate(1);
    is4_byte_ = static_cast<u8>(is4_->reg << 4);
    e_.immediate = &is4_byte_;
    e_.immediate_size = 1;
    return is4_->reg < 16;
  }

  const Instruction& insn_;
  const Substitution& with_;
  Encoding e_;
  const Operand* memory_ = nullptr;
  const Operand* reg_ = nullptr;
  const Operand* rm_ = nullptr;
  const Operand* vvvv_ = nullptr;
  const Operand* is4_ = nullptr;
  const Operand* in_opcode_ = nullptr;
  const Operand* moved_ = nullptr;  ///< Register operand to be read from memory.
  u8 is4_byte_ = 0;
};

}  // namespace

size_t reencode(const Instruction& insn, const Substitution& with, u8* out) {
  return Reencoder(insn, with).run(out);
}

}  // namespace doppel::jit
