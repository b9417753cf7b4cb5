#pragma once

// How results become flags.
//
// Nobody reads most flags, so instructions leave a result and a vector of carries and stop there
// (`LazyFlags`). Bit n of the vector is the carry (or borrow) out of bit n; it follows from the
// operands and the result alone, with or without a carry in:
//
//     sum:         (a & b) | ((a | b) & ~r)
//     difference:  (~a & b) | ((~a | b) & r)
//
// `LazyFlags` looks at bits 63, 62 and 3, and takes bits 8-16 for corrections: those must be clear,
// the others may hold anything. So placing a vector is a shift for narrow operands and one mask
// for 64-bit ones.
//
// Where the manual leaves flags undefined, doppel does this, always:
//
//     instruction                      | undefined in the manual | here
//     AND OR XOR TEST                  | AF                      | 0, as processors do
//     SHL SHR SAR SHLD SHRD            | AF                      | 0
//     SHL, SHLD, count above 1         | OF                      | msb(result) ^ CF, the rule for 1
//     SHR, SHRD, RCR, ROR above 1      | OF                      | msb(result) ^ next lower bit
//     SAR above 1                      | OF                      | 0
//     ROL, RCL above 1                 | OF                      | msb(result) ^ CF
//     SHL SHR beyond the width         | CF                      | 0: zeros were shifted in
//     SHLD SHRD beyond 16 bits         | result and flags          | Intel's: see shift.cpp
//     MUL IMUL                         | SF ZF AF PF             | of the low half; AF 0
//     DIV IDIV                         | all                     | unchanged
//     BSF BSR                          | CF OF SF AF PF          | as after TEST source, source
//     TZCNT LZCNT                      | OF SF AF PF             | of the count; OF and AF 0
//     BT BTS BTR BTC                   | OF SF AF PF             | unchanged
//     ANDN BEXTR BLSI BLSMSK BLSR BZHI | AF PF (BEXTR: SF too)   | of the result; AF 0
//     AAA AAS                          | OF SF ZF PF             | of AL; OF 0
//     AAD AAM                          | OF AF CF                | 0
//     DAA DAS                          | OF                      | 0
//
// @source Intel SDM Vol. 1, "EFLAGS Cross-Reference"; the instructions' pages in Vol. 2

#include <type_traits>

#include "cpu/state.h"

namespace doppel::cpu {

template <class T>
inline constexpr unsigned kBitsOf = sizeof(T) * 8;

/// The result as LazyFlags wants it.
template <class T>
constexpr u64 sign_extended(T value) {
  return static_cast<u64>(static_cast<i64>(static_cast<std::make_signed_t<T>>(value)));
}

template <class T>
constexpr T most_significant_bit(T value) {
  return static_cast<T>(value >> (kBitsOf<T> - 1));
}

/// Puts a carry vector where LazyFlags looks.
template <class T>
constexpr u64 place_carries(T vector) {
  constexpr u64 kCorrections = 0x1ff00;
  if constexpr (sizeof(T) == 8) {
    return vector & ~kCorrections;
  } else {
    return (u64{vector} << (64 - kBitsOf<T>)) | (vector & LazyFlags::kAdjust);
  }
}

template <class T>
constexpr void set_flags_of_sum(LazyFlags& flags, T a, T b, T result) {
  flags.result = sign_extended(result);
  flags.carries = place_carries(static_cast<T>((a & b) | ((a | b) & ~result)));
}

template <class T>
constexpr void set_flags_of_difference(LazyFlags& flags, T a, T b, T result) {
  flags.result = sign_extended(result);
  flags.carries = place_carries(static_cast<T>((~a & b) | ((~a | b) & result)));
}

/// SF, ZF and PF of the result; CF, OF and AF clear.
template <class T>
constexpr void set_flags_of_logic(LazyFlags& flags, T result) {
  flags.result = sign_extended(result);
  flags.carries = 0;
}

/// CF and OF as a vector: OF is the carry xor the carry in.
constexpr u64 carry_and_overflow(bool carry, bool overflow) {
  return (u64{carry} << 63) | (u64{carry != overflow} << 62);
}

/// SF, ZF and PF of the result, CF and OF as given, AF clear.
template <class T>
constexpr void set_flags_of_shift(LazyFlags& flags, T result, bool carry, bool overflow) {
  flags.result = sign_extended(result);
  flags.carries = carry_and_overflow(carry, overflow);
}

/// CF and OF alone.
constexpr void set_carry_and_overflow(LazyFlags& flags, bool carry, bool overflow) {
  flags.carries = (flags.carries & ~(LazyFlags::kCarry | LazyFlags::kCarryIn)) |
                  carry_and_overflow(carry, overflow);
}

template <class T>
constexpr T add(LazyFlags& flags, T a, T b) {
  const T result = static_cast<T>(a + b);
  set_flags_of_sum(flags, a, b, result);
  return result;
}
template <class T>
constexpr T add_with_carry(LazyFlags& flags, T a, T b) {
  const T result = static_cast<T>(a + b + (flags.cf() ? 1 : 0));
  set_flags_of_sum(flags, a, b, result);
  return result;
}
template <class T>
constexpr T subtract(LazyFlags& flags, T a, T b) {
  const T result = static_cast<T>(a - b);
  set_flags_of_difference(flags, a, b, result);
  return result;
}
template <class T>
constexpr T subtract_with_borrow(LazyFlags& flags, T a, T b) {
  const T result = static_cast<T>(a - b - (flags.cf() ? 1 : 0));
  set_flags_of_difference(flags, a, b, result);
  return result;
}

/// The carry of `before` with the overflow and adjust of `carries`: for INC and DEC.
constexpr u64 with_carry_of(u64 before, u64 carries) {
  const u64 differs = (before ^ carries) & LazyFlags::kCarry;
  return carries ^ (differs | (differs >> 1));
}
template <class T>
constexpr T increment(LazyFlags& flags, T a) {
  const T result = static_cast<T>(a + 1);
  flags.result = sign_extended(result);
  // A carry leaves bit n where the bit was one and became zero.
  flags.carries = with_carry_of(flags.carries, place_carries(static_cast<T>(a & ~result)));
  return result;
}
template <class T>
constexpr T decrement(LazyFlags& flags, T a) {
  const T result = static_cast<T>(a - 1);
  flags.result = sign_extended(result);
  flags.carries = with_carry_of(flags.carries, place_carries(static_cast<T>(~a & result)));
  return result;
}

/// ZF alone; the other five keep their values.
inline void set_zf(LazyFlags& flags, bool on) {
  flags.set((flags.get() & ~rflags::ZF) | (on ? rflags::ZF : 0));
}

/// Conditions as opcodes encode them: bit 0 negates.
/// @source Intel SDM Vol. 2, "Encoding of Conditional Test (tttn) Field"
inline constexpr unsigned kConditions = 16;

template <unsigned kCondition>
constexpr bool holds(const LazyFlags& flags) {
  static_assert(kCondition < kConditions);
  bool on = false;
  if constexpr (kCondition >> 1 == 0) on = flags.of();
  if constexpr (kCondition >> 1 == 1) on = flags.cf();
  if constexpr (kCondition >> 1 == 2) on = flags.zf();
  if constexpr (kCondition >> 1 == 3) on = flags.cf() || flags.zf();
  if constexpr (kCondition >> 1 == 4) on = flags.sf();
  if constexpr (kCondition >> 1 == 5) on = flags.pf();
  if constexpr (kCondition >> 1 == 6) on = flags.sf() != flags.of();
  if constexpr (kCondition >> 1 == 7) on = flags.zf() || flags.sf() != flags.of();
  return on != ((kCondition & 1) != 0);
}

}  // namespace doppel::cpu
