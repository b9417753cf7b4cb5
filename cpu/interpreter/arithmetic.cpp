// Addition, subtraction, logic and the exchanging forms of them.
//
// Two-operand instructions share one handler, `interpret_binary`, over an operation that knows its
// result and its flags. Comparisons are operations that keep the destination as it was.
// @source Intel SDM Vol. 2, the instructions' Operation sections

#include "cpu/interpreter/operands.h"

namespace doppel::cpu {

namespace {

struct Add {
  static constexpr bool kWrites = true;
  template <class T>
  static T apply(LazyFlags& flags, T a, T b) { return add<T>(flags, a, b); }
};
struct AddWithCarry {
  static constexpr bool kWrites = true;
  template <class T>
  static T apply(LazyFlags& flags, T a, T b) { return add_with_carry<T>(flags, a, b); }
};
struct Subtract {
  static constexpr bool kWrites = true;
  template <class T>
  static T apply(LazyFlags& flags, T a, T b) { return subtract<T>(flags, a, b); }
};
struct SubtractWithBorrow {
  static constexpr bool kWrites = true;
  template <class T>
  static T apply(LazyFlags& flags, T a, T b) { return subtract_with_borrow<T>(flags, a, b); }
};
struct Compare {
  static constexpr bool kWrites = false;
  template <class T>
  static T apply(LazyFlags& flags, T a, T b) { return subtract<T>(flags, a, b); }
};
struct And {
  static constexpr bool kWrites = true;
  template <class T>
  static T apply(LazyFlags& flags, T a, T b) {
    const T result = static_cast<T>(a & b);
    set_flags_of_logic(flags, result);
    return result;
  }
};
struct Or {
  static constexpr bool kWrites = true;
  template <class T>
  static T apply(LazyFlags& flags, T a, T b) {
    const T result = static_cast<T>(a | b);
    set_flags_of_logic(flags, result);
    return result;
  }
};
struct Xor {
  static constexpr bool kWrites = true;
  template <class T>
  static T apply(LazyFlags& flags, T a, T b) {
    const T result = static_cast<T>(a ^ b);
    set_flags_of_logic(flags, result);
    return result;
  }
};
struct Test : And {
  static constexpr bool kWrites = false;
};

template <class Op, class T, Form kForm>
[[gnu::flatten]] Result<void> interpret_binary(Cpu& cpu, const Instruction& insn) {
  LazyFlags& flags = cpu.state.flags;
  constexpr bool kMemoryFirst = kForm == Form::MemoryRegister || kForm == Form::MemoryImmediate;
  T source;
  if constexpr (kForm == Form::RegisterMemory) {
    DOPPEL_TRY(source, cpu.load_operand<T>(insn));
  } else if constexpr (kForm == Form::RegisterImmediate || kForm == Form::MemoryImmediate) {
    source = static_cast<T>(insn.immediate);
  } else {
    source = read_register<T>(cpu, insn, 1);
  }
  if constexpr (Op::kWrites) {
    return update_first<T, kMemoryFirst>(
        cpu, insn, [&](T value) { return Op::template apply<T>(flags, value, source); });
  } else {
    DOPPEL_TRY(const T value, (read_source<T, kMemoryFirst>(cpu, insn, 0)));
    Op::template apply<T>(flags, value, source);
    return {};
  }
}

/// XOR and SUB of a register with itself: how programs write zero.
template <class T>
Result<void> interpret_zero(Cpu& cpu, const Instruction& insn) {
  write_register<T>(cpu, insn, 0, 0);
  set_flags_of_logic<T>(cpu.state.flags, 0);
  return {};
}

template <class Op>
Handler select_binary(const Instruction& insn) {
  return by_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    switch (form_of(insn)) {
      case Form::RegisterRegister: return interpret_binary<Op, T, Form::RegisterRegister>;
      case Form::RegisterMemory: return interpret_binary<Op, T, Form::RegisterMemory>;
      case Form::MemoryRegister: return interpret_binary<Op, T, Form::MemoryRegister>;
      case Form::RegisterImmediate: return interpret_binary<Op, T, Form::RegisterImmediate>;
      case Form::MemoryImmediate: return interpret_binary<Op, T, Form::MemoryImmediate>;
      case Form::None: break;
    }
    return interpret_invalid;
  });
}

Handler select_zero(const Instruction& insn) {
  return by_width(insn.operand[0].bytes, []<class T>() -> Handler { return interpret_zero<T>; });
}
bool names_one_register_twice(const Instruction& insn) {
  return form_of(insn) == Form::RegisterRegister && insn.operand[0].reg == insn.operand[1].reg;
}

struct Increment {
  template <class T>
  static T apply(LazyFlags& flags, T a) { return increment<T>(flags, a); }
};
struct Decrement {
  template <class T>
  static T apply(LazyFlags& flags, T a) { return decrement<T>(flags, a); }
};
struct Negate {
  template <class T>
  static T apply(LazyFlags& flags, T a) { return subtract<T>(flags, 0, a); }
};
struct Complement {
  template <class T>
  static T apply(LazyFlags&, T a) { return static_cast<T>(~a); }
};

template <class Op, class T, bool kMemory>
[[gnu::flatten]] Result<void> interpret_unary(Cpu& cpu, const Instruction& insn) {
  return update_first<T, kMemory>(
      cpu, insn, [&](T value) { return Op::template apply<T>(cpu.state.flags, value); });
}

template <class Op>
Handler select_unary(const Instruction& insn) {
  return by_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    if (is_register(insn, 0)) return interpret_unary<Op, T, false>;
    if (is_memory(insn, 0)) return interpret_unary<Op, T, true>;
    return interpret_invalid;
  });
}

/// XADD: the destination gets the sum, the source gets the old destination.
template <class T, bool kMemory>
Result<void> interpret_xadd(Cpu& cpu, const Instruction& insn) {
  return update_first<T, kMemory>(cpu, insn, [&](T before) {
    const T addend = read_register<T>(cpu, insn, 1);
    // Source first: XADD RAX, RAX must end with the sum.
    write_register<T>(cpu, insn, 1, before);
    return add<T>(cpu.state.flags, before, addend);
  });
}

/// CMPXCHG: if the accumulator equals the destination, the source is stored; else the accumulator
/// gets the destination.
template <class T, bool kMemory>
Result<void> interpret_cmpxchg(Cpu& cpu, const Instruction& insn) {
  const T accumulator = cpu.state.at<T>(RAX * 8);
  const T source = read_register<T>(cpu, insn, 1);
  T value;
  mmu::UpdateSlot slot;
  if constexpr (kMemory) {
    DOPPEL_TRY(slot, cpu.open_for_update<T>(insn.segment, cpu.effective_address(insn), value));
  } else {
    value = read_register<T>(cpu, insn, 0);
  }
  subtract<T>(cpu.state.flags, accumulator, value);
  const bool equal = accumulator == value;
  if constexpr (kMemory) {
    // The processor always writes, the old value if need be.
    cpu.close_update<T>(slot, equal ? source : value);
  } else if (equal) {
    write_register<T>(cpu, insn, 0, source);
  }
  if (!equal) cpu.state.set_at<T>(RAX * 8, value);
  return {};
}

/// Two registers as one operand, `low` in the lower half.
template <class Half, class Whole>
Whole read_pair(const CpuState& state, Gpr high, Gpr low) {
  return static_cast<Whole>(Whole{state.at<Half>(high * 8u)} << kBitsOf<Half>) |
         state.at<Half>(low * 8u);
}

/// CMPXCHG8B and CMPXCHG16B: EDX:EAX is compared, ECX:EBX is stored. ZF alone changes.
template <class Half, class Whole>
Result<void> interpret_cmpxchg_pair(Cpu& cpu, const Instruction& insn) {
  CpuState& state = cpu.state;
  const u64 offset = cpu.effective_address(insn);
  if constexpr (sizeof(Half) == 8) {
    DOPPEL_TRY(const LinearAddr address,
               cpu.linear(insn.segment, offset, sizeof(Whole), Access::Write));
    if ((address.value & 15) != 0) return gp(0);
  }
  Whole value;
  DOPPEL_TRY(const mmu::UpdateSlot slot, cpu.open_for_update<Whole>(insn.segment, offset, value));
  const bool equal = value == read_pair<Half, Whole>(state, RDX, RAX);
  const Whole stored = equal ? read_pair<Half, Whole>(state, RCX, RBX) : value;
  cpu.close_update<Whole>(slot, stored);
  if (!equal) {
    state.set_at<Half>(RAX * 8, static_cast<Half>(value));
    state.set_at<Half>(RDX * 8, static_cast<Half>(value >> kBitsOf<Half>));
  }
  set_zf(state.flags, equal);
  return {};
}

/// ADCX and ADOX: an addition whose carry goes in and out through CF, or through OF, alone.
template <class T, bool kMemory, bool kOverflow>
Result<void> interpret_add_chain(Cpu& cpu, const Instruction& insn) {
  LazyFlags& flags = cpu.state.flags;
  DOPPEL_TRY(const T source, (read_source<T, kMemory>(cpu, insn, 1)));
  const T before = read_register<T>(cpu, insn, 0);
  const u128 sum = u128{before} + source + (kOverflow ? flags.of() : flags.cf());
  write_register<T>(cpu, insn, 0, static_cast<T>(sum));
  const bool carry = (sum >> kBitsOf<T>) != 0;
  if constexpr (kOverflow) {
    flags.set_of(carry);
  } else {
    flags.set_cf(carry);
  }
  return {};
}

template <bool kOverflow>
Handler select_add_chain(const Instruction& insn) {
  return by_dword_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    if (is_register(insn, 1)) return interpret_add_chain<T, false, kOverflow>;
    if (is_memory(insn, 1)) return interpret_add_chain<T, true, kOverflow>;
    return interpret_invalid;
  });
}

}  // namespace

Handler select_add(const Instruction& insn) { return select_binary<Add>(insn); }
Handler select_adc(const Instruction& insn) { return select_binary<AddWithCarry>(insn); }
Handler select_sbb(const Instruction& insn) { return select_binary<SubtractWithBorrow>(insn); }
Handler select_cmp(const Instruction& insn) { return select_binary<Compare>(insn); }
Handler select_and(const Instruction& insn) { return select_binary<And>(insn); }
Handler select_or(const Instruction& insn) { return select_binary<Or>(insn); }
Handler select_test(const Instruction& insn) { return select_binary<Test>(insn); }
Handler select_sub(const Instruction& insn) {
  return names_one_register_twice(insn) ? select_zero(insn) : select_binary<Subtract>(insn);
}
Handler select_xor(const Instruction& insn) {
  return names_one_register_twice(insn) ? select_zero(insn) : select_binary<Xor>(insn);
}

Handler select_inc(const Instruction& insn) { return select_unary<Increment>(insn); }
Handler select_dec(const Instruction& insn) { return select_unary<Decrement>(insn); }
Handler select_neg(const Instruction& insn) { return select_unary<Negate>(insn); }
Handler select_not(const Instruction& insn) { return select_unary<Complement>(insn); }

Handler select_xadd(const Instruction& insn) {
  return by_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    return is_memory(insn, 0) ? interpret_xadd<T, true> : interpret_xadd<T, false>;
  });
}
Handler select_cmpxchg(const Instruction& insn) {
  return by_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    return is_memory(insn, 0) ? interpret_cmpxchg<T, true> : interpret_cmpxchg<T, false>;
  });
}
Handler select_cmpxchg8b(const Instruction&) { return interpret_cmpxchg_pair<u32, u64>; }
Handler select_cmpxchg16b(const Instruction&) { return interpret_cmpxchg_pair<u64, u128>; }
Handler select_adcx(const Instruction& insn) { return select_add_chain<false>(insn); }
Handler select_adox(const Instruction& insn) { return select_add_chain<true>(insn); }

}  // namespace doppel::cpu
