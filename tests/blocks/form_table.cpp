#include "tests/blocks/form_table.h"

#include <algorithm>

#include "cpu/instruction_table.h"
#include "tests/blocks/assembler.h"

namespace doppel::blocks {

using differential::Decoded;
using differential::Form;

namespace {

/// What compilers emit all day.
bool is_common(u16 mnemonic) {
  switch (mnemonic) {
    case ZYDIS_MNEMONIC_ADC: case ZYDIS_MNEMONIC_ADD: case ZYDIS_MNEMONIC_AND: case ZYDIS_MNEMONIC_CDQE:
    case ZYDIS_MNEMONIC_CMP: case ZYDIS_MNEMONIC_DEC: case ZYDIS_MNEMONIC_IMUL: case ZYDIS_MNEMONIC_INC:
    case ZYDIS_MNEMONIC_LEA: case ZYDIS_MNEMONIC_MOV: case ZYDIS_MNEMONIC_MOVSX: case ZYDIS_MNEMONIC_MOVSXD:
    case ZYDIS_MNEMONIC_MOVZX: case ZYDIS_MNEMONIC_NEG: case ZYDIS_MNEMONIC_NOT: case ZYDIS_MNEMONIC_OR:
    case ZYDIS_MNEMONIC_SAR: case ZYDIS_MNEMONIC_SBB: case ZYDIS_MNEMONIC_SHL: case ZYDIS_MNEMONIC_SHR:
    case ZYDIS_MNEMONIC_SUB: case ZYDIS_MNEMONIC_TEST: case ZYDIS_MNEMONIC_XCHG: case ZYDIS_MNEMONIC_XOR:
      return true;
    default:
      return (mnemonic >= ZYDIS_MNEMONIC_CMOVB && mnemonic <= ZYDIS_MNEMONIC_CMOVZ) ||
             (mnemonic >= ZYDIS_MNEMONIC_SETB && mnemonic <= ZYDIS_MNEMONIC_SETZ);
  }
}

Group group_of(const Form& form, const Decoded& decoded) {
  const auto& meta = decoded.insn.meta;
  const cpu::InstructionRow& row = cpu::instruction_row(form.mnemonic);
  if (meta.branch_type != ZYDIS_BRANCH_TYPE_NONE) return Group::Branch;
  if (meta.category == ZYDIS_CATEGORY_STRINGOP || meta.category == ZYDIS_CATEGORY_IOSTRINGOP) return Group::String;
  if (row.klass == cpu::InstructionClass::Sensitive) return Group::System;
  if (meta.category == ZYDIS_CATEGORY_PUSH || meta.category == ZYDIS_CATEGORY_POP) return Group::Stack;
  if (form.mnemonic == ZYDIS_MNEMONIC_ENTER || form.mnemonic == ZYDIS_MNEMONIC_LEAVE) return Group::Stack;
  bool vector = false, mmx = false;
  for (unsigned i = 0; i < decoded.insn.operand_count; ++i) {
    if (decoded.operands[i].type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
    const ZydisRegisterClass klass = ZydisRegisterGetClass(decoded.operands[i].reg.value);
    vector = vector || klass == ZYDIS_REGCLASS_XMM || klass == ZYDIS_REGCLASS_YMM;
    mmx = mmx || klass == ZYDIS_REGCLASS_MMX;
  }
  if (meta.isa_ext == ZYDIS_ISA_EXT_X87) return Group::X87;
  if (vector && form.vex) return Group::Avx;
  if (vector) return Group::Sse;
  if (mmx) return Group::Mmx;
  return is_common(form.mnemonic) ? Group::Integer : Group::OtherInteger;
}

}  // namespace

FormTable::FormTable(const std::string& only) : forms_(differential::enumerate_forms()) {
  if (!only.empty()) {
    std::erase_if(forms_, [&](const Form& form) { return only != ZydisMnemonicGetString(static_cast<ZydisMnemonic>(form.mnemonic)); });
  }
  Assembler assembler(1);
  for (const Form& form : forms_) {
    Decoded decoded;
    std::vector<u8> bytes;
    for (int attempt = 0; attempt < 100; ++attempt) {
      if (!assembler.encode(form, Addressing{}, bytes, decoded)) continue;
      groups_[static_cast<unsigned>(form.size)][static_cast<unsigned>(group_of(form, decoded))].push_back(&form);
      break;
    }
  }
}

bool FormTable::empty(cpu::CodeSize size) const {
  return std::all_of(std::begin(groups_[static_cast<unsigned>(size)]), std::end(groups_[static_cast<unsigned>(size)]),
                     [](const auto& group) { return group.empty(); });
}

bool is_disruptive(const Form& form) {
  switch (form.mnemonic) {
    case ZYDIS_MNEMONIC_LGDT: case ZYDIS_MNEMONIC_LIDT: case ZYDIS_MNEMONIC_WRMSR: case ZYDIS_MNEMONIC_LMSW:
    case ZYDIS_MNEMONIC_LLDT: case ZYDIS_MNEMONIC_LTR: case ZYDIS_MNEMONIC_XSETBV:
      return true;
    case ZYDIS_MNEMONIC_MOV:
      return form.text.find(" cr") != std::string::npos || form.text.find(" dr") != std::string::npos;
    default:
      return false;
  }
}

}  // namespace doppel::blocks
