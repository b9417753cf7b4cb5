#include "jit/host_flags.h"

#include <cpuid.h>

#include <array>
#include <bit>

#include <Zydis/Zydis.h>

#include "cpu/arch/rflags.h"

namespace doppel::jit {
namespace {

using cpu::OperandKind;

struct Outcome {
  u64 result;
  u64 flags;
};

u64 sign_zero_parity(u64 low) {
  const u32 value = static_cast<u32>(low);
  return (value == 0 ? rflags::ZF : 0) | ((value >> 31) != 0 ? rflags::SF : 0) |
         (std::popcount(value & 0xff) % 2 == 0 ? rflags::PF : 0);
}

// Each runs one 32-bit instruction with the flags `before`. PUSHF and POPF go below the red zone.
#define DOPPEL_PROBE(name, instruction)                                                         \
  Outcome name(u64 a, u64 b, u64 before) {                                                      \
    u64 flags = before;                                                                         \
    asm volatile("lea -128(%%rsp), %%rsp; push %1; popfq; " instruction                          \
                 "; pushfq; pop %1; lea 128(%%rsp), %%rsp"                                       \
                 : "+r"(a), "+r"(flags)                                                         \
                 : "c"(b)                                                                       \
                 : "cc", "memory");                                                             \
    return {a, flags & rflags::kArithmetic};                                                    \
  }
DOPPEL_PROBE(shift_left, "shll $5, %k0")
DOPPEL_PROBE(shift_right, "shrl $5, %k0")
DOPPEL_PROBE(multiply, "imull %%ecx, %k0")
DOPPEL_PROBE(scan_forward, "bsfl %%ecx, %k0")
DOPPEL_PROBE(scan_reverse, "bsrl %%ecx, %k0")
DOPPEL_PROBE(trailing_zeros, "tzcntl %%ecx, %k0")
DOPPEL_PROBE(leading_zeros, "lzcntl %%ecx, %k0")
DOPPEL_PROBE(extract, "bextrl %%ecx, %k0, %k0")
#undef DOPPEL_PROBE

Outcome divide(u64 a, u64 b, u64 before) {
  u64 flags = before;
  u64 high = 0;
  asm volatile("lea -128(%%rsp), %%rsp; push %2; popfq; divl %%ecx; pushfq; pop %2; lea 128(%%rsp), %%rsp"
               : "+a"(a), "+d"(high), "+r"(flags)
               : "c"(b)
               : "cc", "memory");
  return {a, flags & rflags::kArithmetic};
}

constexpr u64 kCarries = rflags::CF | rflags::OF;

bool is_shift(u16 mnemonic) {
  switch (mnemonic) {
    case ZYDIS_MNEMONIC_SHL:
    case ZYDIS_MNEMONIC_SHR:
    case ZYDIS_MNEMONIC_SAR:
    case ZYDIS_MNEMONIC_SHLD:
    case ZYDIS_MNEMONIC_SHRD:
      return true;
    default:
      return false;
  }
}

/// Not among the names that every compiler's __builtin_cpu_supports takes.
bool has_lzcnt() {
  constexpr u32 kExtendedFeatures = 0x8000'0001;
  u32 eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(kExtendedFeatures, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_LZCNT) != 0;
}

}  // namespace

HostFlags HostFlags::probe() {
  HostFlags host;
  constexpr std::array<u64, 6> kValues = {1, 0x80, 0x1234'5678, 0x8000'0001, 0xffff'fff0, 0x55};
  const bool has_bmi = __builtin_cpu_supports("bmi") != 0 && has_lzcnt();
  for (const u64 a : kValues) {
    for (const u64 b : kValues) {
      for (const u64 before : {u64{0}, rflags::kArithmetic}) {
        const auto agrees = [&](bool& agreed, const Outcome& is, u64 wanted) {
          agreed = agreed && is.flags == wanted;
        };
        const Outcome left = shift_left(a, b, before);
        host.shift_ = host.shift_ && (left.flags & rflags::AF) == 0;
        const Outcome right = shift_right(a, b, before);
        host.shift_ = host.shift_ && (right.flags & rflags::AF) == 0;
        const Outcome product = multiply(a, b, before);
        agrees(host.product_, product, sign_zero_parity(product.result) | (product.flags & kCarries));
        agrees(host.quotient_, divide(a, b, before), before);
        agrees(host.scan_, scan_forward(a, b, before), sign_zero_parity(b));
        agrees(host.scan_, scan_reverse(a, b, before), sign_zero_parity(b));
        if (!has_bmi) continue;
        const Outcome trailing = trailing_zeros(a, b, before);
        agrees(host.count_zeros_, trailing, sign_zero_parity(trailing.result) | (trailing.flags & rflags::CF));
        const Outcome leading = leading_zeros(a, b, before);
        agrees(host.count_zeros_, leading, sign_zero_parity(leading.result) | (leading.flags & rflags::CF));
        const Outcome extracted = extract(a, b, before);
        agrees(host.extract_, extracted, sign_zero_parity(extracted.result));
      }
    }
  }
  return host;
}

FlagRepair HostFlags::repair_of(const cpu::Instruction& insn) const {
  if (is_shift(insn.mnemonic)) {
    if (shift_) return FlagRepair::None;
    const unsigned count = insn.mnemonic == ZYDIS_MNEMONIC_SHLD || insn.mnemonic == ZYDIS_MNEMONIC_SHRD ? 2 : 1;
    if (insn.operand[count].kind == OperandKind::Gpr) return FlagRepair::ClearAdjustUnlessZero;
    // A constant that the mask makes 0 changes no flag.
    return insn.flags_written != 0 ? FlagRepair::ClearAdjust : FlagRepair::None;
  }
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_MUL:
    case ZYDIS_MNEMONIC_IMUL:
      return product_ ? FlagRepair::None : FlagRepair::Product;
    case ZYDIS_MNEMONIC_DIV:
    case ZYDIS_MNEMONIC_IDIV:
      return quotient_ ? FlagRepair::None : FlagRepair::Restore;
    case ZYDIS_MNEMONIC_BSF:
    case ZYDIS_MNEMONIC_BSR:
      return scan_ ? FlagRepair::None : FlagRepair::TestSource;
    case ZYDIS_MNEMONIC_TZCNT:
    case ZYDIS_MNEMONIC_LZCNT:
      return count_zeros_ ? FlagRepair::None : FlagRepair::TestCount;
    case ZYDIS_MNEMONIC_BEXTR:
      return extract_ ? FlagRepair::None : FlagRepair::TestResult;
    default:
      return FlagRepair::None;
  }
}

}  // namespace doppel::jit
