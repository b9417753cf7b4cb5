// Instructions on single bits and bit fields, byte order and checksums.
// @source Intel SDM Vol. 2, the instructions' Operation sections

#include "cpu/interpreter/operands.h"

namespace doppel::cpu {

namespace {

// ---- BT, BTS, BTR, BTC ---------------------------------------------------------------------------

struct Keep {
  static constexpr bool kWrites = false;
  template <class T>
  static T apply(T value, T) { return value; }
};
struct Set {
  static constexpr bool kWrites = true;
  template <class T>
  static T apply(T value, T mask) { return static_cast<T>(value | mask); }
};
struct Reset {
  static constexpr bool kWrites = true;
  template <class T>
  static T apply(T value, T mask) { return static_cast<T>(value & ~mask); }
};
struct Flip {
  static constexpr bool kWrites = true;
  template <class T>
  static T apply(T value, T mask) { return static_cast<T>(value ^ mask); }
};

/// A register as destination, or memory with a constant index: the index stays inside the operand.
/// Memory with a register index: a bit string, which the signed index may leave far behind.
template <class Op, class T, Form kForm>
Result<void> interpret_bit(Cpu& cpu, const Instruction& insn) {
  constexpr bool kMemory = kForm == Form::MemoryRegister || kForm == Form::MemoryImmediate;
  constexpr bool kConstant = kForm == Form::RegisterImmediate || kForm == Form::MemoryImmediate;
  const T index =
      kConstant ? static_cast<T>(insn.immediate) : read_register<T>(cpu, insn, 1);
  const unsigned position = static_cast<unsigned>(index) & (kBitsOf<T> - 1);
  const T mask = static_cast<T>(T{1} << position);

  if constexpr (!kMemory) {
    const T value = read_register<T>(cpu, insn, 0);
    cpu.state.flags.set_cf((value & mask) != 0);
    if constexpr (Op::kWrites) write_register<T>(cpu, insn, 0, Op::template apply<T>(value, mask));
    return {};
  } else {
    u64 offset = cpu.effective_address(insn);
    if constexpr (!kConstant) {
      constexpr int kIndexShift = std::countr_zero(kBitsOf<T>);
      const i64 element = static_cast<i64>(sign_extended(index)) >> kIndexShift;
      offset = (offset + static_cast<u64>(element) * sizeof(T)) & insn.address_mask;
    }
    T value;
    if constexpr (Op::kWrites) {
      DOPPEL_TRY(const mmu::UpdateSlot slot,
                 cpu.open_for_update<T>(insn.segment, offset, value));
      cpu.close_update<T>(slot, Op::template apply<T>(value, mask));
    } else {
      DOPPEL_TRY(value, cpu.load<T>(insn.segment, offset));
    }
    cpu.state.flags.set_cf((value & mask) != 0);
    return {};
  }
}

template <class Op>
Handler select_bit(const Instruction& insn) {
  return by_word_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    switch (form_of(insn)) {
      case Form::RegisterRegister: return interpret_bit<Op, T, Form::RegisterRegister>;
      case Form::MemoryRegister: return interpret_bit<Op, T, Form::MemoryRegister>;
      case Form::RegisterImmediate: return interpret_bit<Op, T, Form::RegisterImmediate>;
      case Form::MemoryImmediate: return interpret_bit<Op, T, Form::MemoryImmediate>;
      default: return interpret_invalid;
    }
  });
}

// ---- counting and finding ------------------------------------------------------------------------

/// BSF and BSR: with a source of zero the destination keeps its value, all 64 bits of it.
template <class T, bool kMemory, bool kReverse>
Result<void> interpret_bit_scan(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(const T source, (read_source<T, kMemory>(cpu, insn, 1)));
  if (source != 0) {
    const int found = kReverse ? static_cast<int>(kBitsOf<T>) - 1 - std::countl_zero(source)
                               : std::countr_zero(source);
    write_register<T>(cpu, insn, 0, static_cast<T>(found));
  }
  set_flags_of_logic(cpu.state.flags, source);
  return {};
}

/// TZCNT and LZCNT: CF for a source of zero, ZF for a count of zero.
template <class T, bool kMemory, bool kLeading>
Result<void> interpret_zero_count(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(const T source, (read_source<T, kMemory>(cpu, insn, 1)));
  const T count = static_cast<T>(kLeading ? std::countl_zero(source) : std::countr_zero(source));
  write_register<T>(cpu, insn, 0, count);
  set_flags_of_shift(cpu.state.flags, count, source == 0, false);
  return {};
}

template <class T, bool kMemory>
Result<void> interpret_popcnt(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(const T source, (read_source<T, kMemory>(cpu, insn, 1)));
  write_register<T>(cpu, insn, 0, static_cast<T>(std::popcount(source)));
  cpu.state.flags.set(source == 0 ? rflags::ZF : 0);
  return {};
}

template <bool kReverse>
Handler select_bit_scan(const Instruction& insn) {
  return by_word_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    return is_memory(insn, 1) ? interpret_bit_scan<T, true, kReverse>
                              : interpret_bit_scan<T, false, kReverse>;
  });
}
template <bool kLeading>
Handler select_zero_count(const Instruction& insn) {
  return by_word_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    return is_memory(insn, 1) ? interpret_zero_count<T, true, kLeading>
                              : interpret_zero_count<T, false, kLeading>;
  });
}

// ---- byte order ----------------------------------------------------------------------------------

template <class T>
constexpr T swap_bytes(T value) {
  if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
  if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
  if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
}

/// The manual leaves 16-bit BSWAP undefined; processors write zero.
template <class T>
Result<void> interpret_bswap(Cpu& cpu, const Instruction& insn) {
  const T before = read_register<T>(cpu, insn, 0);
  write_register<T>(cpu, insn, 0, sizeof(T) == 2 ? T{0} : swap_bytes(before));
  return {};
}

template <class T, bool kStore>
Result<void> interpret_movbe(Cpu& cpu, const Instruction& insn) {
  if constexpr (kStore) {
    return cpu.store_operand<T>(insn, swap_bytes(read_register<T>(cpu, insn, 1)));
  } else {
    DOPPEL_TRY(const T value, cpu.load_operand<T>(insn));
    write_register<T>(cpu, insn, 0, swap_bytes(value));
    return {};
  }
}

// ---- BMI1 and BMI2 -------------------------------------------------------------------------------

template <class T, bool kMemory>
Result<void> interpret_andn(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(const T source, (read_source<T, kMemory>(cpu, insn, 2)));
  const T result = ~read_register<T>(cpu, insn, 1) & source;
  write_register<T>(cpu, insn, 0, result);
  set_flags_of_logic(cpu.state.flags, result);
  return {};
}

/// The field that starts at bits 7-0 of the control, bits 15-8 long.
template <class T, bool kMemory>
Result<void> interpret_bextr(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(const T source, (read_source<T, kMemory>(cpu, insn, 1)));
  const T control = read_register<T>(cpu, insn, 2);
  const unsigned start = control & 0xff;
  const unsigned length = control >> 8 & 0xff;
  T result = start < kBitsOf<T> ? static_cast<T>(source >> start) : T{0};
  if (length < kBitsOf<T>) result &= (T{1} << length) - 1;
  write_register<T>(cpu, insn, 0, result);
  set_flags_of_logic(cpu.state.flags, result);
  return {};
}

template <class T, bool kMemory>
Result<void> interpret_bzhi(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(T result, (read_source<T, kMemory>(cpu, insn, 1)));
  const unsigned index = read_register<T>(cpu, insn, 2) & 0xff;
  if (index < kBitsOf<T>) result &= (T{1} << index) - 1;
  write_register<T>(cpu, insn, 0, result);
  set_flags_of_shift(cpu.state.flags, result, index >= kBitsOf<T>, false);
  return {};
}

// The lowest set bit, the mask up to it, and all but it.
struct Isolate {
  static constexpr bool kCarryIfZero = false;
  template <class T>
  static T apply(T source) { return source & (0 - source); }
};
struct MaskUpTo {
  static constexpr bool kCarryIfZero = true;
  template <class T>
  static T apply(T source) { return source ^ (source - 1); }
};
struct ResetLowest {
  static constexpr bool kCarryIfZero = true;
  template <class T>
  static T apply(T source) { return source & (source - 1); }
};

template <class Op, class T, bool kMemory>
Result<void> interpret_lowest_bit(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(const T source, (read_source<T, kMemory>(cpu, insn, 1)));
  const T result = Op::template apply<T>(source);
  write_register<T>(cpu, insn, 0, result);
  set_flags_of_shift(cpu.state.flags, result, (source == 0) == Op::kCarryIfZero, false);
  return {};
}

template <class Op>
Handler select_lowest_bit(const Instruction& insn) {
  return by_dword_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    return is_memory(insn, 1) ? interpret_lowest_bit<Op, T, true>
                              : interpret_lowest_bit<Op, T, false>;
  });
}

/// PDEP: consecutive low bits of the first source go where the mask has ones.
template <class T, bool kMemory>
Result<void> interpret_pdep(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(T mask, (read_source<T, kMemory>(cpu, insn, 2)));
  T source = read_register<T>(cpu, insn, 1);
  T result = 0;
  for (; mask != 0; mask &= mask - 1, source >>= 1) {
    if ((source & 1) != 0) result |= mask & (0 - mask);
  }
  write_register<T>(cpu, insn, 0, result);
  return {};
}

/// PEXT: the bits of the first source under the mask's ones, gathered at the low end.
template <class T, bool kMemory>
Result<void> interpret_pext(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(T mask, (read_source<T, kMemory>(cpu, insn, 2)));
  const T source = read_register<T>(cpu, insn, 1);
  T result = 0;
  for (T place = 1; mask != 0; mask &= mask - 1, place <<= 1) {
    if ((source & mask & (0 - mask)) != 0) result |= place;
  }
  write_register<T>(cpu, insn, 0, result);
  return {};
}

// ---- CRC32 ---------------------------------------------------------------------------------------

// The Castagnoli polynomial 11EDC6F41h, bits reversed as the instruction has them.
constexpr u32 kCastagnoli = 0x82f6'3b78;

constexpr std::array<u32, 256> make_crc_table() {
  std::array<u32, 256> table{};
  for (u32 byte = 0; byte < 256; ++byte) {
    u32 crc = byte;
    for (int step = 0; step < 8; ++step) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kCastagnoli : 0);
    table[byte] = crc;
  }
  return table;
}
constexpr std::array<u32, 256> kCrcTable = make_crc_table();

/// The sum is 32 bits wide whatever the destination is; a 64-bit one has its upper half cleared.
template <class T, bool kMemory>
Result<void> interpret_crc32(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(const T source, (read_source<T, kMemory>(cpu, insn, 1)));
  u32 crc = read_register<u32>(cpu, insn, 0);
  for (unsigned shift = 0; shift < kBitsOf<T>; shift += 8) {
    const u8 byte = static_cast<u8>(source >> shift);
    crc = (crc >> 8) ^ kCrcTable[(crc ^ byte) & 0xff];
  }
  write_register<u32>(cpu, insn, 0, crc);
  return {};
}

}  // namespace

Handler select_bt(const Instruction& insn) { return select_bit<Keep>(insn); }
Handler select_bts(const Instruction& insn) { return select_bit<Set>(insn); }
Handler select_btr(const Instruction& insn) { return select_bit<Reset>(insn); }
Handler select_btc(const Instruction& insn) { return select_bit<Flip>(insn); }

Handler select_bsf(const Instruction& insn) { return select_bit_scan<false>(insn); }
Handler select_bsr(const Instruction& insn) { return select_bit_scan<true>(insn); }
Handler select_tzcnt(const Instruction& insn) { return select_zero_count<false>(insn); }
Handler select_lzcnt(const Instruction& insn) { return select_zero_count<true>(insn); }
Handler select_popcnt(const Instruction& insn) {
  return by_word_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    return is_memory(insn, 1) ? interpret_popcnt<T, true> : interpret_popcnt<T, false>;
  });
}

Handler select_bswap(const Instruction& insn) {
  return by_word_width(insn.operand[0].bytes,
                       []<class T>() -> Handler { return interpret_bswap<T>; });
}
Handler select_movbe(const Instruction& insn) {
  const bool store = is_memory(insn, 0);
  return by_word_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    return store ? interpret_movbe<T, true> : interpret_movbe<T, false>;
  });
}

Handler select_andn(const Instruction& insn) {
  return by_dword_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    return is_memory(insn, 2) ? interpret_andn<T, true> : interpret_andn<T, false>;
  });
}
Handler select_bextr(const Instruction& insn) {
  return by_dword_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    return is_memory(insn, 1) ? interpret_bextr<T, true> : interpret_bextr<T, false>;
  });
}
Handler select_bzhi(const Instruction& insn) {
  return by_dword_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    return is_memory(insn, 1) ? interpret_bzhi<T, true> : interpret_bzhi<T, false>;
  });
}
Handler select_blsi(const Instruction& insn) { return select_lowest_bit<Isolate>(insn); }
Handler select_blsmsk(const Instruction& insn) { return select_lowest_bit<MaskUpTo>(insn); }
Handler select_blsr(const Instruction& insn) { return select_lowest_bit<ResetLowest>(insn); }
Handler select_pdep(const Instruction& insn) {
  return by_dword_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    return is_memory(insn, 2) ? interpret_pdep<T, true> : interpret_pdep<T, false>;
  });
}
Handler select_pext(const Instruction& insn) {
  return by_dword_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    return is_memory(insn, 2) ? interpret_pext<T, true> : interpret_pext<T, false>;
  });
}
Handler select_crc32(const Instruction& insn) {
  return by_width(insn.operand[1].bytes, [&]<class T>() -> Handler {
    return is_memory(insn, 1) ? interpret_crc32<T, true> : interpret_crc32<T, false>;
  });
}

}  // namespace doppel::cpu
