// Shifts and rotates.
//
// The count is masked to 5 bits (6 for 64-bit operands) before anything else, and a masked count of
// zero leaves flags and destination alone. What is left may still exceed a narrow operand. The
// rules for OF stand in cpu/flags.h: the manual defines it for a count of 1 only, processors
// compute one formula for all.
// @source Intel SDM Vol. 2, "SAL/SAR/SHL/SHR", "RCL/RCR/ROL/ROR", "SHLD", "SHRD"

#include "cpu/interpreter/operands.h"

namespace doppel::cpu {

namespace {

enum class Count : u8 { One, Immediate, Cl };

template <class T>
inline constexpr unsigned kCountMask = sizeof(T) == 8 ? 63 : 31;

template <class T>
constexpr bool top_bit(T value) { return (value >> (kBitsOf<T> - 1)) != 0; }
template <class T>
constexpr bool top_bits_differ(T value) { return top_bit(static_cast<T>(value ^ (value << 1))); }

// Operations: `count` is masked and not zero.

struct ShiftLeft {
  template <class T>
  static T apply(LazyFlags& flags, T a, unsigned count) {
    const T result = static_cast<T>(u64{a} << count);
    bool carry;
    if constexpr (sizeof(T) == 8) {
      carry = bit(a, 64 - count);
    } else {
      carry = bit(u64{a} << count, kBitsOf<T>);
    }
    set_flags_of_shift(flags, result, carry, top_bit(result) != carry);
    return result;
  }
};
struct ShiftRight {
  template <class T>
  static T apply(LazyFlags& flags, T a, unsigned count) {
    const T result = static_cast<T>(u64{a} >> count);
    set_flags_of_shift(flags, result, bit(u64{a}, count - 1), top_bits_differ(result));
    return result;
  }
};
struct ShiftRightSigned {
  template <class T>
  static T apply(LazyFlags& flags, T a, unsigned count) {
    const i64 wide = static_cast<i64>(sign_extended(a));
    const T result = static_cast<T>(wide >> count);
    set_flags_of_shift(flags, result, bit(static_cast<u64>(wide), count - 1), false);
    return result;
  }
};
struct RotateLeft {
  template <class T>
  static T apply(LazyFlags& flags, T a, unsigned count) {
    const T result = std::rotl(a, static_cast<int>(count));
    const bool carry = (result & 1) != 0;
    set_carry_and_overflow(flags, carry, top_bit(result) != carry);
    return result;
  }
};
struct RotateRight {
  template <class T>
  static T apply(LazyFlags& flags, T a, unsigned count) {
    const T result = std::rotr(a, static_cast<int>(count));
    set_carry_and_overflow(flags, top_bit(result), top_bits_differ(result));
    return result;
  }
};
// Rotates through carry turn a ring of width + 1 bits; a whole turn changes nothing.
template <class T>
constexpr unsigned ring_count(unsigned count) {
  if constexpr (sizeof(T) <= 2) return count % (kBitsOf<T> + 1);
  return count;
}
struct RotateCarryLeft {
  template <class T>
  static T apply(LazyFlags& flags, T a, unsigned masked_count) {
    const unsigned count = ring_count<T>(masked_count);
    if (count == 0) return a;
    const u64 wide = a;
    u64 result = (wide << count) | (u64{flags.cf()} << (count - 1));
    if (count > 1) result |= wide >> (kBitsOf<T> + 1 - count);
    const bool carry = bit(wide, kBitsOf<T> - count);
    set_carry_and_overflow(flags, carry, top_bit(static_cast<T>(result)) != carry);
    return static_cast<T>(result);
  }
};
struct RotateCarryRight {
  template <class T>
  static T apply(LazyFlags& flags, T a, unsigned masked_count) {
    const unsigned count = ring_count<T>(masked_count);
    if (count == 0) return a;
    const u64 wide = a;
    u64 result = (wide >> count) | (u64{flags.cf()} << (kBitsOf<T> - count));
    if (count > 1) result |= wide << (kBitsOf<T> + 1 - count);
    set_carry_and_overflow(flags, bit(wide, count - 1), top_bits_differ(static_cast<T>(result)));
    return static_cast<T>(result);
  }
};

template <class T, Count kCount>
unsigned masked_count(const Cpu& cpu, const Instruction& insn) {
  if constexpr (kCount == Count::One) return 1;
  const u64 raw = kCount == Count::Cl ? cpu.state.at<u8>(RCX * 8) : insn.immediate;
  return static_cast<unsigned>(raw) & kCountMask<T>;
}

template <class Op, class T, Count kCount, bool kMemory>
Result<void> interpret_shift(Cpu& cpu, const Instruction& insn) {
  const unsigned count = masked_count<T, kCount>(cpu, insn);
  // Also with a count of zero memory must be writable, and a 32-bit register loses its upper half.
  return update_first<T, kMemory>(cpu, insn, [&](T value) {
    if (kCount != Count::One && count == 0) return value;
    return Op::template apply<T>(cpu.state.flags, value, count);
  });
}

template <class Op, Count kCount>
Handler select_shift_by(const Instruction& insn) {
  return by_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    if (is_register(insn, 0)) return interpret_shift<Op, T, kCount, false>;
    if (is_memory(insn, 0)) return interpret_shift<Op, T, kCount, true>;
    return interpret_invalid;
  });
}
template <class Op>
Handler select_shift(const Instruction& insn) {
  switch (opcode_of(insn)) {
    case 0xd0:
    case 0xd1: return select_shift_by<Op, Count::One>(insn);
    case 0xd2:
    case 0xd3: return select_shift_by<Op, Count::Cl>(insn);
    default: return select_shift_by<Op, Count::Immediate>(insn);
  }
}

// ---- SHLD and SHRD -------------------------------------------------------------------------------

// For 16-bit operands the count may reach 31. Then the destination's own bits come in behind the
// source's, as if destination, source and destination stood in a row. The manual leaves that result
// undefined; this is what Intel's processors do, others differ.
constexpr u64 row_of_three(u16 destination, u16 source) {
  return u64{destination} << 32 | u64{source} << 16 | destination;
}

struct DoubleLeft {
  template <class T>
  static T apply(LazyFlags& flags, T a, T source, unsigned count) {
    T result;
    bool carry;
    if constexpr (sizeof(T) == 2) {
      const u64 row = row_of_three(a, source) << count;
      result = static_cast<T>(row >> 32);
      carry = bit(row, 48);
    } else {
      result = static_cast<T>((a << count) | (source >> (kBitsOf<T> - count)));
      carry = bit(a, kBitsOf<T> - count);
    }
    set_flags_of_shift(flags, result, carry, top_bit(result) != carry);
    return result;
  }
};
struct DoubleRight {
  template <class T>
  static T apply(LazyFlags& flags, T a, T source, unsigned count) {
    T result;
    bool carry;
    if constexpr (sizeof(T) == 2) {
      const u64 row = row_of_three(a, source);
      result = static_cast<T>(row >> count);
      carry = bit(row, count - 1);
    } else {
      result = static_cast<T>((a >> count) | (source << (kBitsOf<T> - count)));
      carry = bit(a, count - 1);
    }
    set_flags_of_shift(flags, result, carry, top_bits_differ(result));
    return result;
  }
};

template <class Op, class T, Count kCount, bool kMemory>
Result<void> interpret_double_shift(Cpu& cpu, const Instruction& insn) {
  const unsigned count = masked_count<T, kCount>(cpu, insn);
  const T source = read_register<T>(cpu, insn, 1);
  return update_first<T, kMemory>(cpu, insn, [&](T value) {
    if (count == 0) return value;
    return Op::template apply<T>(cpu.state.flags, value, source, count);
  });
}

template <class Op>
Handler select_double_shift(const Instruction& insn) {
  const bool by_immediate = insn.operand[2].kind == OperandKind::Immediate;
  return by_word_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    if (is_memory(insn, 0)) {
      return by_immediate ? interpret_double_shift<Op, T, Count::Immediate, true>
                          : interpret_double_shift<Op, T, Count::Cl, true>;
    }
    return by_immediate ? interpret_double_shift<Op, T, Count::Immediate, false>
                        : interpret_double_shift<Op, T, Count::Cl, false>;
  });
}

// ---- BMI2: no flags ------------------------------------------------------------------------------

struct PlainLeft {
  template <class T>
  static T apply(T a, unsigned count) { return static_cast<T>(a << count); }
};
struct PlainRight {
  template <class T>
  static T apply(T a, unsigned count) { return static_cast<T>(a >> count); }
};
struct PlainRightSigned {
  template <class T>
  static T apply(T a, unsigned count) {
    return static_cast<T>(static_cast<std::make_signed_t<T>>(a) >> count);
  }
};

/// SHLX, SHRX, SARX: the count is the third operand.
template <class Op, class T, bool kMemory>
Result<void> interpret_plain_shift(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(const T source, (read_source<T, kMemory>(cpu, insn, 1)));
  const unsigned count = static_cast<unsigned>(read_register<T>(cpu, insn, 2)) & kCountMask<T>;
  write_register<T>(cpu, insn, 0, Op::template apply<T>(source, count));
  return {};
}
template <class T, bool kMemory>
Result<void> interpret_rorx(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(const T source, (read_source<T, kMemory>(cpu, insn, 1)));
  const int count = static_cast<int>(insn.immediate & kCountMask<T>);
  write_register<T>(cpu, insn, 0, std::rotr(source, count));
  return {};
}

template <class Op>
Handler select_plain_shift(const Instruction& insn) {
  return by_dword_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    return is_memory(insn, 1) ? interpret_plain_shift<Op, T, true>
                              : interpret_plain_shift<Op, T, false>;
  });
}

}  // namespace

Handler select_shl(const Instruction& insn) { return select_shift<ShiftLeft>(insn); }
Handler select_shr(const Instruction& insn) { return select_shift<ShiftRight>(insn); }
Handler select_sar(const Instruction& insn) { return select_shift<ShiftRightSigned>(insn); }
Handler select_rol(const Instruction& insn) { return select_shift<RotateLeft>(insn); }
Handler select_ror(const Instruction& insn) { return select_shift<RotateRight>(insn); }
Handler select_rcl(const Instruction& insn) { return select_shift<RotateCarryLeft>(insn); }
Handler select_rcr(const Instruction& insn) { return select_shift<RotateCarryRight>(insn); }
Handler select_shld(const Instruction& insn) { return select_double_shift<DoubleLeft>(insn); }
Handler select_shrd(const Instruction& insn) { return select_double_shift<DoubleRight>(insn); }
Handler select_shlx(const Instruction& insn) { return select_plain_shift<PlainLeft>(insn); }
Handler select_shrx(const Instruction& insn) { return select_plain_shift<PlainRight>(insn); }
Handler select_sarx(const Instruction& insn) { return select_plain_shift<PlainRightSigned>(insn); }
Handler select_rorx(const Instruction& insn) {
  return by_dword_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    return is_memory(insn, 1) ? interpret_rorx<T, true> : interpret_rorx<T, false>;
  });
}

}  // namespace doppel::cpu
