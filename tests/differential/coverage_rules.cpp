// Which instructions are not compared with the host, and why: by rule.
//
// Privileged instructions are compared: in user mode both sides must refuse them.

#include <cpuid.h>

#include <cstring>

#include "tests/differential/forms.h"

namespace doppel::differential {

namespace {

/// A CPUID bit that says whether the host has an instruction set.
struct IsaBit {
  ZydisISASet set;
  u32 leaf;
  u32 subleaf;
  unsigned reg;  // 0 EAX, 1 EBX, 2 ECX, 3 EDX
  unsigned bit;
};

// @source Intel SDM Vol. 2A, "CPUID"
constexpr IsaBit kIsaBits[] = {
    {ZYDIS_ISA_SET_ADOX_ADCX, 7, 0, 1, 19},   {ZYDIS_ISA_SET_AES, 1, 0, 2, 25},
    {ZYDIS_ISA_SET_AVX, 1, 0, 2, 28},         {ZYDIS_ISA_SET_AVX2, 7, 0, 1, 5},
    {ZYDIS_ISA_SET_AVX2GATHER, 7, 0, 1, 5},   {ZYDIS_ISA_SET_AVXAES, 1, 0, 2, 25},
    {ZYDIS_ISA_SET_BMI1, 7, 0, 1, 3},         {ZYDIS_ISA_SET_BMI2, 7, 0, 1, 8},
    {ZYDIS_ISA_SET_CLFLUSHOPT, 7, 0, 1, 23},  {ZYDIS_ISA_SET_CLWB, 7, 0, 1, 24},
    {ZYDIS_ISA_SET_CMPXCHG16B, 1, 0, 2, 13},  {ZYDIS_ISA_SET_F16C, 1, 0, 2, 29},
    {ZYDIS_ISA_SET_FMA, 1, 0, 2, 12},         {ZYDIS_ISA_SET_GFNI, 7, 0, 2, 8},
    {ZYDIS_ISA_SET_INVPCID, 7, 0, 1, 10},     {ZYDIS_ISA_SET_LAHF, 0x8000'0001, 0, 2, 0},
    {ZYDIS_ISA_SET_LZCNT, 0x8000'0001, 0, 2, 5}, {ZYDIS_ISA_SET_MONITOR, 1, 0, 2, 3},
    {ZYDIS_ISA_SET_MOVBE, 1, 0, 2, 22},       {ZYDIS_ISA_SET_PCLMULQDQ, 1, 0, 2, 1},
    {ZYDIS_ISA_SET_PKU, 7, 0, 2, 4},          {ZYDIS_ISA_SET_POPCNT, 1, 0, 2, 23},
    {ZYDIS_ISA_SET_RDWRFSGS, 7, 0, 1, 0},     {ZYDIS_ISA_SET_SHA, 7, 0, 1, 29},
    {ZYDIS_ISA_SET_SMAP, 7, 0, 1, 20},        {ZYDIS_ISA_SET_SSE3, 1, 0, 2, 0},
    {ZYDIS_ISA_SET_SSE3X87, 1, 0, 2, 0},      {ZYDIS_ISA_SET_SSE4, 1, 0, 2, 19},
    {ZYDIS_ISA_SET_SSE42, 1, 0, 2, 20},       {ZYDIS_ISA_SET_SSSE3, 1, 0, 2, 9},
    {ZYDIS_ISA_SET_SSSE3MMX, 1, 0, 2, 9},     {ZYDIS_ISA_SET_VAES, 7, 0, 2, 9},
    {ZYDIS_ISA_SET_VPCLMULQDQ, 7, 0, 2, 10},  {ZYDIS_ISA_SET_XSAVE, 1, 0, 2, 26},
    {ZYDIS_ISA_SET_XSAVEC, 0xd, 1, 0, 1},     {ZYDIS_ISA_SET_XSAVEOPT, 0xd, 1, 0, 0},
    {ZYDIS_ISA_SET_XSAVES, 0xd, 1, 0, 3},     {ZYDIS_ISA_SET_RTM, 7, 0, 1, 11},
    {ZYDIS_ISA_SET_CET, 7, 0, 2, 7},          {ZYDIS_ISA_SET_RDPID, 7, 0, 2, 22},
};

bool host_has(ZydisISASet set) {
  for (const IsaBit& row : kIsaBits) {
    if (row.set != set) continue;
    unsigned regs[4] = {};
    if (__get_cpuid_count(row.leaf, row.subleaf, &regs[0], &regs[1], &regs[2], &regs[3]) == 0) return false;
    return (regs[row.reg] >> row.bit & 1) != 0;
  }
  return true;
}

/// Forms that AMD and Intel processors execute differently: doppel follows Intel, the host may not.
std::string vendors_disagree(const Decoded& decoded) {
  const ZydisDecodedInstruction& insn = decoded.insn;
  const ZydisDecodedOperand& first = decoded.operands[0];
  const bool memory80 = (first.type == ZYDIS_OPERAND_TYPE_MEMORY && first.size == 80) ||
                        (decoded.operands[1].type == ZYDIS_OPERAND_TYPE_MEMORY && decoded.operands[1].size == 80);
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_JMP:
    case ZYDIS_MNEMONIC_CALL:
    case ZYDIS_MNEMONIC_LFS:
    case ZYDIS_MNEMONIC_LGS:
    case ZYDIS_MNEMONIC_LSS:
      if (memory80) return "AMD processors have no 64-bit far pointers";
      break;
    case ZYDIS_MNEMONIC_MOVSXD:
      if (first.size == 16) return "AMD processors read 32 bits, Intel's 16";
      break;
    case ZYDIS_MNEMONIC_NOP:
      if (insn.opcode_map == ZYDIS_OPCODE_MAP_0F && insn.opcode == 0x0d) return "AMD processors refuse PREFETCHW of a register";
      break;
    case ZYDIS_MNEMONIC_VPINSRD:
    case ZYDIS_MNEMONIC_VPEXTRD:
      if (insn.machine_mode != ZYDIS_MACHINE_MODE_LONG_64 && insn.raw.vex.W != 0) return "AMD processors refuse VEX.W here, Intel's ignore it";
      break;
    default:
      break;
  }
  return {};
}

}  // namespace

std::string reason_not_covered(const Decoded& decoded) {
  switch (decoded.insn.mnemonic) {
    case ZYDIS_MNEMONIC_SYSCALL:
    case ZYDIS_MNEMONIC_SYSENTER:
    case ZYDIS_MNEMONIC_SYSRET:
    case ZYDIS_MNEMONIC_SYSEXIT:
      return "enters the host's kernel, or depends on the vendor";
    case ZYDIS_MNEMONIC_INT:
    case ZYDIS_MNEMONIC_INT1:
    case ZYDIS_MNEMONIC_INT3:
    case ZYDIS_MNEMONIC_INTO:
      return "delivery through the guest's own IDT is tested elsewhere";
    case ZYDIS_MNEMONIC_VMCALL:
    case ZYDIS_MNEMONIC_VMMCALL:
      return "enters the host's hypervisor";
    case ZYDIS_MNEMONIC_CPUID:
    case ZYDIS_MNEMONIC_RDTSC:
    case ZYDIS_MNEMONIC_RDTSCP:
    case ZYDIS_MNEMONIC_RDPID:
    case ZYDIS_MNEMONIC_RDRAND:
    case ZYDIS_MNEMONIC_RDSEED:
    case ZYDIS_MNEMONIC_XGETBV:
      return "the answer belongs to the machine, not to the instruction";
    case ZYDIS_MNEMONIC_RDPKRU:
    case ZYDIS_MNEMONIC_WRPKRU:
      return "the host's kernel decides whether there are protection keys (CR4.PKE)";
    case ZYDIS_MNEMONIC_SGDT:
    case ZYDIS_MNEMONIC_SIDT:
    case ZYDIS_MNEMONIC_SLDT:
    case ZYDIS_MNEMONIC_STR:
    case ZYDIS_MNEMONIC_SMSW:
      return "the host's kernel answers for the processor (UMIP)";
    default:
      break;
  }
  switch (decoded.insn.meta.isa_set) {
    case ZYDIS_ISA_SET_VAES:
    case ZYDIS_ISA_SET_VPCLMULQDQ:
      return "no model offers it";
    default:
      break;
  }
  const std::string disagreement = vendors_disagree(decoded);
  if (!disagreement.empty()) return disagreement;
  if (!host_has(decoded.insn.meta.isa_set)) {
    return std::string("the host has no ") + ZydisISASetGetString(decoded.insn.meta.isa_set);
  }
  return {};
}

}  // namespace doppel::differential
