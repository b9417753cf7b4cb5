#include "tests/differential/compare_rules.h"

#include "cpu/arch/registers.h"
#include "cpu/arch/rflags.h"

namespace doppel::differential {

namespace {

bool is_shift(ZydisMnemonic mnemonic) {
  return mnemonic == ZYDIS_MNEMONIC_SHL || mnemonic == ZYDIS_MNEMONIC_SHR || mnemonic == ZYDIS_MNEMONIC_SAR;
}
bool is_rotate(ZydisMnemonic mnemonic) {
  return mnemonic == ZYDIS_MNEMONIC_ROL || mnemonic == ZYDIS_MNEMONIC_ROR || mnemonic == ZYDIS_MNEMONIC_RCL ||
         mnemonic == ZYDIS_MNEMONIC_RCR;
}
bool is_double_shift(ZydisMnemonic mnemonic) {
  return mnemonic == ZYDIS_MNEMONIC_SHLD || mnemonic == ZYDIS_MNEMONIC_SHRD;
}

/// The count a shift or rotate works with.
unsigned shift_count(const TestCase& test, const Decoded& decoded) {
  u64 count = 1;
  const ZydisDecodedOperand& last = decoded.operands[is_double_shift(decoded.insn.mnemonic) ? 2 : 1];
  if (last.type == ZYDIS_OPERAND_TYPE_IMMEDIATE) count = last.imm.value.u;
  else if (last.type == ZYDIS_OPERAND_TYPE_REGISTER) count = test.before.gpr[RCX];
  return static_cast<unsigned>(count & (decoded.operands[0].size == 64 ? 63 : 31));
}

}  // namespace

u64 undefined_flags(const TestCase& test, const Decoded& decoded) {
  const ZydisMnemonic mnemonic = decoded.insn.mnemonic;
  const unsigned width = decoded.operands[0].size;
  if (is_shift(mnemonic)) {
    // @source Intel SDM Vol. 2B, "SAL/SAR/SHL/SHR", Flags Affected
    const unsigned count = shift_count(test, decoded);
    if (count == 0) return 0;
    return rflags::AF | (count > 1 ? rflags::OF : 0) | (count > width && mnemonic != ZYDIS_MNEMONIC_SAR ? rflags::CF : 0) |
           (count == width && width < 32 && mnemonic != ZYDIS_MNEMONIC_SAR ? rflags::CF : 0);
  }
  if (is_rotate(mnemonic)) {
    // @source Intel SDM Vol. 2B, "RCL/RCR/ROL/ROR", Flags Affected
    return shift_count(test, decoded) > 1 ? rflags::OF : 0;
  }
  if (is_double_shift(mnemonic)) {
    const unsigned count = shift_count(test, decoded);
    if (count == 0) return 0;
    return rflags::AF | (count > 1 ? rflags::OF : 0) | (count > width ? rflags::kArithmetic : 0);
  }
  u64 undefined = decoded.insn.cpu_flags != nullptr ? decoded.insn.cpu_flags->undefined : 0;
  return undefined & rflags::kArithmetic;
}

bool is_result_undefined(const TestCase& test, const Decoded& decoded) {
  // @source Intel SDM Vol. 2B, "SHLD": "If the count is greater than the operand size, the result is undefined."
  return is_double_shift(decoded.insn.mnemonic) && shift_count(test, decoded) > decoded.operands[0].size;
}

std::vector<Ignored> ignored_bytes(const Decoded& decoded) {
  switch (decoded.insn.mnemonic) {
    case ZYDIS_MNEMONIC_FXSAVE:
    case ZYDIS_MNEMONIC_FXSAVE64:
    case ZYDIS_MNEMONIC_XSAVE:
    case ZYDIS_MNEMONIC_XSAVE64:
    case ZYDIS_MNEMONIC_XSAVEC:
    case ZYDIS_MNEMONIC_XSAVEC64:
    case ZYDIS_MNEMONIC_XSAVEOPT:
    case ZYDIS_MNEMONIC_XSAVEOPT64:
      // FOP, FIP, FDP; and MXCSR_MASK, which is the model's (AMD has bit 17).
      return {{6, 18}, {28, 4}};
    case ZYDIS_MNEMONIC_FNSTENV:
    case ZYDIS_MNEMONIC_FNSAVE:
      // FIP, FCS and FOP, FDP, FDS.
      return decoded.insn.operand_width == 16 ? std::vector<Ignored>{{6, 8}} : std::vector<Ignored>{{12, 16}};
    default:
      return {};
  }
}

std::vector<Ignored> ignored_stack_bytes(const Decoded& decoded) {
  // @source Intel SDM Vol. 2B, "PUSH": a selector is zero-extended, or the upper bytes keep what they held.
  const u64 width = decoded.insn.operand_width / 8;
  if (width <= 2) return {};
  if (decoded.insn.mnemonic == ZYDIS_MNEMONIC_PUSH && decoded.operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
      ZydisRegisterGetClass(decoded.operands[0].reg.value) == ZYDIS_REGCLASS_SEGMENT) {
    return {{2, width - 2}};
  }
  if (decoded.insn.mnemonic == ZYDIS_MNEMONIC_CALL && decoded.insn.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) {
    return {{width + 2, width - 2}};
  }
  return {};
}

bool is_fault_order_open(const Decoded& decoded) {
  if (decoded.insn.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) return true;
  if (!ignored_stack_bytes(decoded).empty()) return true;  // A store of 2 bytes, or of more.
  if (decoded.insn.meta.category == ZYDIS_CATEGORY_STRINGOP) return true;  // Of two operands, either may be first.
  for (unsigned i = 0; i < decoded.insn.operand_count; ++i) {
    // Wide operands are read in pieces, and aligned ones are checked before or after their segment.
    const ZydisDecodedOperand& operand = decoded.operands[i];
    if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY && operand.size >= 80) return true;
  }
  switch (decoded.insn.mnemonic) {
    case ZYDIS_MNEMONIC_CALL:
    case ZYDIS_MNEMONIC_RET:
    case ZYDIS_MNEMONIC_IRET:
    case ZYDIS_MNEMONIC_IRETD:
    case ZYDIS_MNEMONIC_IRETQ:
    case ZYDIS_MNEMONIC_LDS:
    case ZYDIS_MNEMONIC_LES:
    case ZYDIS_MNEMONIC_LFS:
    case ZYDIS_MNEMONIC_LGS:
    case ZYDIS_MNEMONIC_LSS:
    case ZYDIS_MNEMONIC_ENTER:
    case ZYDIS_MNEMONIC_PUSHA:
    case ZYDIS_MNEMONIC_PUSHAD:
    case ZYDIS_MNEMONIC_POPA:
    case ZYDIS_MNEMONIC_POPAD:
    case ZYDIS_MNEMONIC_BOUND:
    case ZYDIS_MNEMONIC_FNSTENV:
    case ZYDIS_MNEMONIC_FNSAVE:
    case ZYDIS_MNEMONIC_FLDENV:
    case ZYDIS_MNEMONIC_FRSTOR:
    case ZYDIS_MNEMONIC_FXSAVE:
    case ZYDIS_MNEMONIC_FXSAVE64:
    case ZYDIS_MNEMONIC_FXRSTOR:
    case ZYDIS_MNEMONIC_FXRSTOR64:
    case ZYDIS_MNEMONIC_MASKMOVQ:
    case ZYDIS_MNEMONIC_MASKMOVDQU:
    case ZYDIS_MNEMONIC_VMASKMOVDQU:
    case ZYDIS_MNEMONIC_VMASKMOVPS:
    case ZYDIS_MNEMONIC_VMASKMOVPD:
    case ZYDIS_MNEMONIC_VPMASKMOVD:
    case ZYDIS_MNEMONIC_VPMASKMOVQ:
      return true;
    default:
      return decoded.insn.meta.category == ZYDIS_CATEGORY_XSAVE || decoded.insn.meta.category == ZYDIS_CATEGORY_XSAVEOPT;
  }
}

bool is_gather(const Decoded& decoded) {
  return decoded.operands[1].type == ZYDIS_OPERAND_TYPE_MEMORY && decoded.operands[1].mem.type == ZYDIS_MEMOP_TYPE_VSIB;
}

bool is_masked_avx(const Decoded& decoded) {
  switch (decoded.insn.mnemonic) {
    case ZYDIS_MNEMONIC_VMASKMOVPS:
    case ZYDIS_MNEMONIC_VMASKMOVPD:
    case ZYDIS_MNEMONIC_VPMASKMOVD:
    case ZYDIS_MNEMONIC_VPMASKMOVQ:
      return true;
    default:
      return false;
  }
}

bool is_masked_out(const TestCase& test, const Decoded& decoded) {
  const bool mmx = decoded.insn.mnemonic == ZYDIS_MNEMONIC_MASKMOVQ;
  if (!mmx && decoded.insn.mnemonic != ZYDIS_MNEMONIC_MASKMOVDQU && decoded.insn.mnemonic != ZYDIS_MNEMONIC_VMASKMOVDQU) return false;
  const unsigned number = static_cast<unsigned>(ZydisRegisterGetId(decoded.operands[1].reg.value));
  // MM registers are numbered from the bottom of the register file, ST from its top.
  const unsigned top = test.before.fp.fsw >> 11 & 7;
  const u8* mask = mmx ? test.before.fp.st[(number - top) & 7] : test.before.fp.xmm[number & 15];
  for (unsigned i = 0; i < (mmx ? 8u : 16u); ++i) {
    if ((mask[i] & 0x80) == 0) return true;
  }
  return false;
}

Partial partial_progress(const Decoded& decoded) {
  switch (decoded.insn.mnemonic) {
    case ZYDIS_MNEMONIC_ENTER:
    case ZYDIS_MNEMONIC_PUSHA:
    case ZYDIS_MNEMONIC_PUSHAD:
    case ZYDIS_MNEMONIC_CALL:
    case ZYDIS_MNEMONIC_FNSTENV:
    case ZYDIS_MNEMONIC_FNSAVE:
    case ZYDIS_MNEMONIC_FXSAVE:
    case ZYDIS_MNEMONIC_FXSAVE64:
    case ZYDIS_MNEMONIC_XSAVE:
    case ZYDIS_MNEMONIC_XSAVE64:
    case ZYDIS_MNEMONIC_XSAVEC:
    case ZYDIS_MNEMONIC_XSAVEC64:
    case ZYDIS_MNEMONIC_XSAVEOPT:
    case ZYDIS_MNEMONIC_XSAVEOPT64:
    case ZYDIS_MNEMONIC_MASKMOVDQU:
    case ZYDIS_MNEMONIC_VMASKMOVDQU:
      return {.memory = true};
    case ZYDIS_MNEMONIC_MASKMOVQ:
      // An AMD processor has left the x87 state for the MMX one before it faults.
      return {.memory = true, .x87 = true};
    case ZYDIS_MNEMONIC_POPA:
    case ZYDIS_MNEMONIC_POPAD:
      return {.registers = true};
    default:
      return {};
  }
}

u64 undefined_result_bits(const Decoded& decoded, unsigned gpr) {
  // @source Intel SDM Vol. 2A, "LAR": bits 19-16 of the rights are undefined.
  if (decoded.insn.mnemonic != ZYDIS_MNEMONIC_LAR) return 0;
  const ZydisDecodedOperand& operand = decoded.operands[0];
  const bool same = static_cast<unsigned>(ZydisRegisterGetId(operand.reg.value)) == gpr;
  return same && operand.size > 16 ? 0xf'0000 : 0;
}

}  // namespace doppel::differential
