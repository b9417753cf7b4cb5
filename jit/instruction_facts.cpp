#include "jit/instruction_facts.h"

#include <array>
#include <cstddef>
#include <cstring>
#include <initializer_list>

#include <Zydis/Zydis.h>

#include "cpu/instruction_table.h"

namespace doppel::jit {
namespace {

using cpu::Instruction;
using cpu::Operand;
using cpu::OperandKind;

/// Asked of every instruction again and again: all four at once.
bool has_vector_operand(const Instruction& insn) {
  static_assert(sizeof insn.operand == 16 && offsetof(Operand, kind) == 0);
  static_assert(OperandKind::Xmm < OperandKind::Ymm && static_cast<u8>(OperandKind::Ymm) < 0x80);
  constexpr u64 kTwoKinds = 0x0000'00ff'0000'00ff;
  constexpr u64 kCarries = (0x80 - u64{static_cast<u8>(OperandKind::Xmm)}) * 0x0000'0001'0000'0001;
  u64 pairs[2];
  std::memcpy(pairs, insn.operand, sizeof pairs);
  const u64 sums = ((pairs[0] & kTwoKinds) + kCarries) | ((pairs[1] & kTwoKinds) + kCarries);
  return (sums & 0x0000'0080'0000'0080) != 0;
}

/// What a mnemonic says beside its operands, as a set.
using Traits = u8;
constexpr Traits kKeepsFirst = 1 << 0;    ///< Operand 0 is not changed.
constexpr Traits kWritesSecond = 1 << 1;  ///< Operand 1 is changed, too.
constexpr Traits kWritesPair = 1 << 2;    ///< With one operand RDX:RAX is.
constexpr Traits kWritesRdx = 1 << 3;     ///< Named by the opcode alone, as the next two.
constexpr Traits kWritesRax = 1 << 4;
constexpr Traits kWritesRcx = 1 << 5;
constexpr Traits kMayBeString = 1 << 6;   ///< A string instruction and an SSE form share the mnemonic.

using TraitTable = std::array<Traits, ZYDIS_MNEMONIC_MAX_VALUE + 1>;
constexpr TraitTable make_traits() {
  TraitTable table{};
  const auto put = [&](Traits trait, std::initializer_list<ZydisMnemonic> mnemonics) {
    for (const ZydisMnemonic mnemonic : mnemonics) table[mnemonic] |= trait;
  };
  put(kKeepsFirst, {ZYDIS_MNEMONIC_CMP, ZYDIS_MNEMONIC_TEST, ZYDIS_MNEMONIC_BT, ZYDIS_MNEMONIC_PUSH, ZYDIS_MNEMONIC_JMP,
                    ZYDIS_MNEMONIC_CALL});
  put(kWritesSecond, {ZYDIS_MNEMONIC_XCHG, ZYDIS_MNEMONIC_XADD, ZYDIS_MNEMONIC_MULX});
  put(kWritesPair, {ZYDIS_MNEMONIC_MUL, ZYDIS_MNEMONIC_IMUL, ZYDIS_MNEMONIC_DIV, ZYDIS_MNEMONIC_IDIV});
  put(kWritesRdx, {ZYDIS_MNEMONIC_CWD, ZYDIS_MNEMONIC_CDQ, ZYDIS_MNEMONIC_CQO, ZYDIS_MNEMONIC_CMPXCHG8B, ZYDIS_MNEMONIC_CMPXCHG16B});
  put(kWritesRax, {ZYDIS_MNEMONIC_CBW, ZYDIS_MNEMONIC_CWDE, ZYDIS_MNEMONIC_CDQE, ZYDIS_MNEMONIC_CMPXCHG, ZYDIS_MNEMONIC_CMPXCHG8B, ZYDIS_MNEMONIC_CMPXCHG16B,
                   ZYDIS_MNEMONIC_LAHF, ZYDIS_MNEMONIC_FNSTSW});
  put(kWritesRcx, {ZYDIS_MNEMONIC_PCMPESTRI, ZYDIS_MNEMONIC_PCMPISTRI, ZYDIS_MNEMONIC_VPCMPESTRI,
                   ZYDIS_MNEMONIC_VPCMPISTRI});
  put(kMayBeString, {ZYDIS_MNEMONIC_MOVSD, ZYDIS_MNEMONIC_CMPSD});
  return table;
}
constexpr TraitTable kTraits = make_traits();

bool has(const Instruction& insn, Traits trait) { return (kTraits[insn.mnemonic] & trait) != 0; }

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

bool is_string_move(const Instruction& insn) {
  return insn.mnemonic == ZYDIS_MNEMONIC_MOVSB || insn.mnemonic == ZYDIS_MNEMONIC_MOVSW || insn.mnemonic == ZYDIS_MNEMONIC_MOVSD ||
         insn.mnemonic == ZYDIS_MNEMONIC_MOVSQ;
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
  if (has_vector_operand(insn)) return true;
  // Conversions from memory to general registers have no vector operand, and heed MXCSR.
  return cpu::is_float_row(insn.mnemonic) && !has(insn, kMayBeString) && !uses_x87(insn);
}

std::optional<ConstantMove> constant_move(const Instruction& insn, u8 bytes) {
  const Operand& first = insn.operand[0];
  if (first.kind != OperandKind::Gpr || insn.width != bytes || first.bytes != bytes) return {};
  const u8 reg = first.reg / 8;
  const i64 constant = bytes == 8 ? static_cast<i64>(insn.immediate) : static_cast<i32>(insn.immediate);
  const bool has_constant = insn.operand[1].kind == OperandKind::Immediate;
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_INC: return ConstantMove{reg, 1};
    case ZYDIS_MNEMONIC_DEC: return ConstantMove{reg, -1};
    case ZYDIS_MNEMONIC_ADD:
      if (!has_constant) return {};
      return ConstantMove{reg, constant};
    case ZYDIS_MNEMONIC_SUB:
      if (!has_constant) return {};
      return ConstantMove{reg, -constant};
    case ZYDIS_MNEMONIC_LEA: {
      const AddressForm form = form_of(insn, 0);
      if (form.base != reg || form.index != cpu::kZeroRegister || form.bytes != bytes) return {};
      return ConstantMove{reg, form.displacement};
    }
    default: return {};
  }
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
  if (!has(insn, kKeepsFirst)) add(0);
  if (has(insn, kWritesSecond)) add(1);
  if (has(insn, kWritesPair) && insn.operand[1].kind == OperandKind::None) written |= 1u << RAX | 1u << RDX;
  if (has(insn, kWritesRdx)) written |= 1u << RDX;
  if (has(insn, kWritesRax)) written |= 1u << RAX;
  if (has(insn, kWritesRcx) || treatment == Treatment::Count) written |= 1u << RCX;
  if (treatment == Treatment::Push || treatment == Treatment::Pop || treatment == Treatment::Call ||
      treatment == Treatment::Return || treatment == Treatment::Leave) {
    written |= 1u << RSP;
  }
  if (treatment == Treatment::Leave) written |= 1u << RBP;
  return written;
}

}  // namespace doppel::jit
