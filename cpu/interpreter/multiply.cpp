// Multiplication, division and decimal adjustment.
//
// Products and quotients of the one-operand forms live in a pair of registers (AH:AL for bytes,
// else DX:AX and wider); `write_product` and `read_dividend` are the only places that know.
// @source Intel SDM Vol. 2, "MUL", "IMUL", "DIV", "IDIV", "MULX", "DAA" and their like

#include "cpu/interpreter/operands.h"

namespace doppel::cpu {

namespace {

constexpr u8 kAl = 0;
constexpr u8 kAh = 1;

/// A type of twice the width.
template <class T>
struct Twice;
template <>
struct Twice<u8> { using Unsigned = u16; using Signed = i16; };
template <>
struct Twice<u16> { using Unsigned = u32; using Signed = i32; };
template <>
struct Twice<u32> { using Unsigned = u64; using Signed = i64; };
template <>
struct Twice<u64> { using Unsigned = u128; using Signed = i128; };

template <class T>
using Wide = typename Twice<T>::Unsigned;
template <class T>
using SignedWide = typename Twice<T>::Signed;
template <class T>
using SignedOf = std::make_signed_t<T>;

template <class T>
SignedWide<T> signed_wide(T value) { return static_cast<SignedOf<T>>(value); }

template <class T>
void write_product(CpuState& state, Wide<T> product) {
  if constexpr (sizeof(T) == 1) {
    state.set_at<u16>(RAX * 8, product);
  } else {
    state.set_at<T>(RAX * 8, static_cast<T>(product));
    state.set_at<T>(RDX * 8, static_cast<T>(product >> kBitsOf<T>));
  }
}
template <class T>
Wide<T> read_dividend(const CpuState& state) {
  if constexpr (sizeof(T) == 1) {
    return state.at<u16>(RAX * 8);
  } else {
    return static_cast<Wide<T>>(Wide<T>{state.at<T>(RDX * 8)} << kBitsOf<T>) |
           state.at<T>(RAX * 8);
  }
}
template <class T>
void write_quotient(CpuState& state, T quotient, T remainder) {
  state.set_at<T>(RAX * 8, quotient);
  state.set_at<T>(sizeof(T) == 1 ? kAh : RDX * 8, remainder);
}

template <class T, bool kMemory>
Result<void> interpret_multiply(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(const T factor, (read_source<T, kMemory>(cpu, insn, 0)));
  const Wide<T> product = static_cast<Wide<T>>(Wide<T>{cpu.state.at<T>(RAX * 8)} * factor);
  write_product<T>(cpu.state, product);
  const bool overflow = (product >> kBitsOf<T>) != 0;
  set_flags_of_shift(cpu.state.flags, static_cast<T>(product), overflow, overflow);
  return {};
}

/// The product of two signed numbers; CF and OF tell whether its upper half says more than a sign.
template <class T>
Wide<T> signed_product(LazyFlags& flags, T a, T b) {
  const SignedWide<T> product = static_cast<SignedWide<T>>(signed_wide(a) * signed_wide(b));
  const T low = static_cast<T>(product);
  const bool overflow = product != signed_wide(low);
  set_flags_of_shift(flags, low, overflow, overflow);
  return static_cast<Wide<T>>(product);
}

template <class T, bool kMemory>
Result<void> interpret_signed_multiply(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(const T factor, (read_source<T, kMemory>(cpu, insn, 0)));
  write_product<T>(cpu.state,
                   signed_product<T>(cpu.state.flags, cpu.state.at<T>(RAX * 8), factor));
  return {};
}
template <class T, bool kMemory>
Result<void> interpret_signed_multiply_2(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(const T factor, (read_source<T, kMemory>(cpu, insn, 1)));
  const T before = read_register<T>(cpu, insn, 0);
  write_register<T>(cpu, insn, 0,
                    static_cast<T>(signed_product<T>(cpu.state.flags, before, factor)));
  return {};
}
template <class T, bool kMemory>
Result<void> interpret_signed_multiply_3(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(const T factor, (read_source<T, kMemory>(cpu, insn, 1)));
  const T constant = static_cast<T>(insn.immediate);
  write_register<T>(cpu, insn, 0,
                    static_cast<T>(signed_product<T>(cpu.state.flags, factor, constant)));
  return {};
}

constexpr Fault divide_error() { return Fault::make(Vector::DE); }

template <class T, bool kMemory>
Result<void> interpret_divide(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(const T divisor, (read_source<T, kMemory>(cpu, insn, 0)));
  const Wide<T> dividend = read_dividend<T>(cpu.state);
  // The quotient fits exactly if the upper half is below the divisor; that covers zero as well.
  if (static_cast<T>(dividend >> kBitsOf<T>) >= divisor) return divide_error();
  write_quotient<T>(cpu.state, static_cast<T>(dividend / divisor),
                    static_cast<T>(dividend % divisor));
  return {};
}

template <class T, bool kMemory>
Result<void> interpret_signed_divide(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(const T raw_divisor, (read_source<T, kMemory>(cpu, insn, 0)));
  if (raw_divisor == 0) return divide_error();
  const Wide<T> raw_dividend = read_dividend<T>(cpu.state);
  // On magnitudes: the most negative dividend over -1 would overflow in C++ too.
  const bool negative_dividend = (raw_dividend >> (2 * kBitsOf<T> - 1)) != 0;
  const bool negative_divisor = most_significant_bit(raw_divisor) != 0;
  const Wide<T> dividend =
      negative_dividend ? static_cast<Wide<T>>(0 - raw_dividend) : raw_dividend;
  const T divisor = negative_divisor ? static_cast<T>(0 - raw_divisor) : raw_divisor;
  if (static_cast<T>(dividend >> kBitsOf<T>) >= divisor) return divide_error();
  const T quotient = static_cast<T>(dividend / divisor);
  const T remainder = static_cast<T>(dividend % divisor);
  const bool negative = negative_dividend != negative_divisor;
  const T largest = static_cast<T>((T{1} << (kBitsOf<T> - 1)) - (negative ? 0 : 1));
  if (quotient > largest) return divide_error();
  write_quotient<T>(cpu.state, negative ? static_cast<T>(0 - quotient) : quotient,
                    negative_dividend ? static_cast<T>(0 - remainder) : remainder);
  return {};
}

/// MULX: EDX times the source, no flags. One register named twice gets the upper half.
template <class T, bool kMemory>
Result<void> interpret_mulx(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(const T factor, (read_source<T, kMemory>(cpu, insn, 2)));
  const Wide<T> product = Wide<T>{cpu.state.at<T>(RDX * 8)} * factor;
  write_register<T>(cpu, insn, 1, static_cast<T>(product));
  write_register<T>(cpu, insn, 0, static_cast<T>(product >> kBitsOf<T>));
  return {};
}

// ---- decimal -------------------------------------------------------------------------------------

void set_decimal_flags(CpuState& state, bool carry, bool adjust) {
  set_flags_of_shift(state.flags, state.at<u8>(kAl), carry, false);
  if (adjust) state.flags.carries |= LazyFlags::kAdjust;
}

/// AAA and AAS. The processor adds 106h to AX as one number, so that a carry out of AL reaches AH.
template <bool kSubtract>
Result<void> interpret_ascii_adjust(Cpu& cpu, const Instruction&) {
  CpuState& state = cpu.state;
  const bool adjust = (state.at<u8>(kAl) & 0xf) > 9 || state.flags.af();
  u16 ax = state.at<u16>(RAX * 8);
  if (adjust) ax = static_cast<u16>(kSubtract ? ax - 0x106 : ax + 0x106);
  state.set_at<u16>(RAX * 8, ax & 0xff0f);
  set_decimal_flags(state, adjust, adjust);
  return {};
}

/// DAA and DAS.
template <bool kSubtract>
Result<void> interpret_decimal_adjust(Cpu& cpu, const Instruction&) {
  CpuState& state = cpu.state;
  const u8 before = state.at<u8>(kAl);
  const bool adjust_low = (before & 0xf) > 9 || state.flags.af();
  const bool adjust_high = before > 0x99 || state.flags.cf();
  const unsigned correction = (adjust_low ? 0x06u : 0u) + (adjust_high ? 0x60u : 0u);
  bool carry = adjust_high;
  // DAS: the borrow of the low step counts even where the high step does not happen.
  if (kSubtract && adjust_low && before < 6) carry = true;
  state.set_at<u8>(kAl, static_cast<u8>(kSubtract ? before - correction : before + correction));
  set_decimal_flags(state, carry, adjust_low);
  return {};
}

Result<void> interpret_aam(Cpu& cpu, const Instruction& insn) {
  const u8 base = static_cast<u8>(insn.immediate);
  if (base == 0) return divide_error();
  CpuState& state = cpu.state;
  const u8 before = state.at<u8>(kAl);
  state.set_at<u8>(kAh, before / base);
  state.set_at<u8>(kAl, before % base);
  set_decimal_flags(state, false, false);
  return {};
}

Result<void> interpret_aad(Cpu& cpu, const Instruction& insn) {
  CpuState& state = cpu.state;
  const unsigned value = state.at<u8>(kAl) + state.at<u8>(kAh) * (insn.immediate & 0xff);
  state.set_at<u16>(RAX * 8, value & 0xff);
  set_decimal_flags(state, false, false);
  return {};
}

}  // namespace

Handler select_mul(const Instruction& insn) {
  return by_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    return is_memory(insn, 0) ? interpret_multiply<T, true> : interpret_multiply<T, false>;
  });
}
Handler select_imul(const Instruction& insn) {
  if (insn.operand[1].kind == OperandKind::None) {
    return by_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
      return is_memory(insn, 0) ? interpret_signed_multiply<T, true>
                                : interpret_signed_multiply<T, false>;
    });
  }
  return by_word_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    if (insn.operand[2].kind == OperandKind::None) {
      return is_memory(insn, 1) ? interpret_signed_multiply_2<T, true>
                                : interpret_signed_multiply_2<T, false>;
    }
    return is_memory(insn, 1) ? interpret_signed_multiply_3<T, true>
                              : interpret_signed_multiply_3<T, false>;
  });
}
Handler select_div(const Instruction& insn) {
  return by_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    return is_memory(insn, 0) ? interpret_divide<T, true> : interpret_divide<T, false>;
  });
}
Handler select_idiv(const Instruction& insn) {
  return by_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    return is_memory(insn, 0) ? interpret_signed_divide<T, true>
                              : interpret_signed_divide<T, false>;
  });
}
Handler select_mulx(const Instruction& insn) {
  return by_dword_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    return is_memory(insn, 2) ? interpret_mulx<T, true> : interpret_mulx<T, false>;
  });
}

Handler select_aaa(const Instruction&) { return interpret_ascii_adjust<false>; }
Handler select_aas(const Instruction&) { return interpret_ascii_adjust<true>; }
Handler select_daa(const Instruction&) { return interpret_decimal_adjust<false>; }
Handler select_das(const Instruction&) { return interpret_decimal_adjust<true>; }
Handler select_aam(const Instruction&) { return interpret_aam; }
Handler select_aad(const Instruction&) { return interpret_aad; }

}  // namespace doppel::cpu
