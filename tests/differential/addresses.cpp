#include "tests/differential/addresses.h"

#include "cpu/arch/registers.h"
#include "cpu/base/bits.h"

namespace doppel::differential {

int gpr_number(ZydisRegister reg) {
  const ZydisRegisterClass klass = ZydisRegisterGetClass(reg);
  if (klass != ZYDIS_REGCLASS_GPR16 && klass != ZYDIS_REGCLASS_GPR32 && klass != ZYDIS_REGCLASS_GPR64) return -1;
  return ZydisRegisterGetId(reg);
}

namespace {

bool has_no_base(const Decoded& decoded) {
  const auto& raw = decoded.insn.raw;
  return decoded.has_attribute(ZYDIS_ATTRIB_HAS_SIB) && raw.modrm.mod == 0 && raw.sib.base == 5;
}

}  // namespace

int base_number(const Decoded& decoded, const ZydisDecodedOperandMem& mem) {
  return has_no_base(decoded) ? -1 : gpr_number(mem.base);
}

u64 displacement_of(const Decoded& decoded, const ZydisDecodedOperandMem& mem) {
  if (has_no_base(decoded)) return static_cast<u64>(decoded.insn.raw.disp.value);
  return mem.disp.has_displacement ? static_cast<u64>(mem.disp.value) : 0;
}

const LdtEntry* ldt_entry(u16 selector) {
  if ((selector & 4) == 0 || selector >> 3 >= kLdtEntries) return nullptr;
  return &kLdt[selector >> 3];
}

u64 segment_base(const TestCase& test, ZydisRegister segment) {
  int index = -1;
  switch (segment) {
    case ZYDIS_REGISTER_ES: index = 0; break;
    case ZYDIS_REGISTER_CS: index = 1; break;
    case ZYDIS_REGISTER_SS: index = 2; break;
    case ZYDIS_REGISTER_DS: index = 3; break;
    case ZYDIS_REGISTER_FS: index = 4; break;
    case ZYDIS_REGISTER_GS: index = 5; break;
    default: return 0;
  }
  if (test.size == CodeSize::Bits64) {
    return index == 4 ? test.before.fs_base : index == 5 ? test.before.gs_base : 0;
  }
  const LdtEntry* entry = ldt_entry(test.before.selectors[index]);
  return entry != nullptr ? entry->base : 0;
}

u64 effective_address(const TestCase& test, const Decoded& decoded, const ZydisDecodedOperand& operand) {
  const ZydisDecodedOperandMem& mem = operand.mem;
  u64 address = displacement_of(decoded, mem);
  if (mem.base == ZYDIS_REGISTER_RIP || mem.base == ZYDIS_REGISTER_EIP) address += test.before.rip + test.length;
  const int base = base_number(decoded, mem);
  const int index = gpr_number(mem.index);
  if (base >= 0) address += test.before.gpr[base];
  if (index >= 0) address += test.before.gpr[index] * (mem.scale != 0 ? mem.scale : 1);
  return truncate(address, decoded.insn.address_width);
}

u64 operand_address(const TestCase& test, const Decoded& decoded) {
  for (unsigned i = 0; i < decoded.insn.operand_count; ++i) {
    const ZydisDecodedOperand& operand = decoded.operands[i];
    if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY) continue;
    return segment_base(test, operand.mem.segment) + effective_address(test, decoded, operand);
  }
  return 0;
}

u64 stack_address(const TestCase& test, u64 stack_pointer) {
  if (test.size == CodeSize::Bits64) return stack_pointer;
  const LdtEntry* entry = ldt_entry(test.before.selectors[2]);
  if (entry == nullptr) return stack_pointer & 0xffff'ffff;
  return entry->base + (stack_pointer & (entry->is_32bit ? 0xffff'ffff : 0xffff));
}

}  // namespace doppel::differential
