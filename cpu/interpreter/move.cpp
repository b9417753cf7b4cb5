// Moving values: MOV and its extending, conditional and exchanging relatives, addresses, flags as
// bytes, and the instructions that move nothing.
//
// Zydis calls moves to and from control, debug and segment registers MOV as well; those are the
// monitor's.
// @source Intel SDM Vol. 2, the instructions' Operation sections

#include "cpu/base/random.h"
#include "cpu/interpreter/operands.h"
#include "cpu/monitor.h"

namespace doppel::cpu {

namespace {

constexpr u8 kAl = 0;
constexpr u8 kAh = 1;

/// The effective address; most have no index, and loading a zero to shift it would be a waste.
template <bool kIndexed>
u64 address_of(const Cpu& cpu, const Instruction& insn) {
  if constexpr (kIndexed) {
    return cpu.effective_address(insn);
  } else {
    return (cpu.state.at<u64>(insn.base) + insn.displacement) & insn.address_mask;
  }
}
bool is_indexed(const Instruction& insn) { return insn.index != kZeroRegister * 8; }

// ---- MOV -----------------------------------------------------------------------------------------

template <class T>
Result<void> interpret_mov_register(Cpu& cpu, const Instruction& insn) {
  write_register<T>(cpu, insn, 0, read_register<T>(cpu, insn, 1));
  return {};
}
template <class T>
Result<void> interpret_mov_constant(Cpu& cpu, const Instruction& insn) {
  write_register<T>(cpu, insn, 0, static_cast<T>(insn.immediate));
  return {};
}
template <class T, bool kIndexed>
[[gnu::flatten]] Result<void> interpret_mov_load(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(const T value, cpu.load<T>(insn.segment, address_of<kIndexed>(cpu, insn)));
  write_register<T>(cpu, insn, 0, value);
  return {};
}
template <class T, bool kIndexed>
[[gnu::flatten]] Result<void> interpret_mov_store(Cpu& cpu, const Instruction& insn) {
  return cpu.store<T>(insn.segment, address_of<kIndexed>(cpu, insn),
                      read_register<T>(cpu, insn, 1));
}
template <class T>
[[gnu::flatten]] Result<void> interpret_mov_store_constant(Cpu& cpu, const Instruction& insn) {
  return cpu.store_operand<T>(insn, static_cast<T>(insn.immediate));
}

Handler select_mov_general(const Instruction& insn) {
  return by_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    switch (form_of(insn)) {
      case Form::RegisterRegister: return interpret_mov_register<T>;
      case Form::RegisterImmediate: return interpret_mov_constant<T>;
      case Form::RegisterMemory:
        return is_indexed(insn) ? interpret_mov_load<T, true> : interpret_mov_load<T, false>;
      case Form::MemoryRegister:
        return is_indexed(insn) ? interpret_mov_store<T, true> : interpret_mov_store<T, false>;
      case Form::MemoryImmediate: return interpret_mov_store_constant<T>;
      case Form::None: break;
    }
    return interpret_invalid;
  });
}

// ---- extending -----------------------------------------------------------------------------------

template <class From, class To, bool kSigned>
constexpr To extend(From value) {
  return kSigned ? static_cast<To>(sign_extended(value)) : static_cast<To>(value);
}
template <class From, class To, bool kSigned>
Result<void> interpret_extend_register(Cpu& cpu, const Instruction& insn) {
  write_register<To>(cpu, insn, 0, extend<From, To, kSigned>(read_register<From>(cpu, insn, 1)));
  return {};
}
template <class From, class To, bool kSigned, bool kIndexed>
[[gnu::flatten]] Result<void> interpret_extend_load(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(const From value, cpu.load<From>(insn.segment, address_of<kIndexed>(cpu, insn)));
  write_register<To>(cpu, insn, 0, extend<From, To, kSigned>(value));
  return {};
}

template <class From, bool kSigned>
Handler select_extend_from(const Instruction& insn) {
  return by_word_width(insn.operand[0].bytes, [&]<class To>() -> Handler {
    if (is_register(insn, 1)) return interpret_extend_register<From, To, kSigned>;
    if (!is_memory(insn, 1)) return interpret_invalid;
    return is_indexed(insn) ? interpret_extend_load<From, To, kSigned, true>
                            : interpret_extend_load<From, To, kSigned, false>;
  });
}
template <bool kSigned>
Handler select_extend(const Instruction& insn) {
  switch (insn.operand[1].bytes) {
    case 1: return select_extend_from<u8, kSigned>(insn);
    case 2: return select_extend_from<u16, kSigned>(insn);
    case 4: return select_extend_from<u32, kSigned>(insn);
    default: return interpret_invalid;
  }
}

/// CBW, CWDE, CDQE: the lower half of the accumulator fills all of it.
template <class Half, class Whole>
Result<void> interpret_extend_accumulator(Cpu& cpu, const Instruction&) {
  cpu.state.set_at<Whole>(RAX * 8, static_cast<Whole>(sign_extended(cpu.state.at<Half>(RAX * 8))));
  return {};
}
/// CWD, CDQ, CQO: the accumulator's sign fills DX.
template <class T>
Result<void> interpret_spread_sign(Cpu& cpu, const Instruction&) {
  const bool negative = most_significant_bit(cpu.state.at<T>(RAX * 8)) != 0;
  cpu.state.set_at<T>(RDX * 8, negative ? static_cast<T>(~T{0}) : T{0});
  return {};
}

// ---- addresses, exchanges, conditions ------------------------------------------------------------

template <class T, bool kIndexed>
Result<void> interpret_lea(Cpu& cpu, const Instruction& insn) {
  write_register<T>(cpu, insn, 0, static_cast<T>(address_of<kIndexed>(cpu, insn)));
  return {};
}

template <class T>
Result<void> interpret_xchg_registers(Cpu& cpu, const Instruction& insn) {
  const T first = read_register<T>(cpu, insn, 0);
  write_register<T>(cpu, insn, 0, read_register<T>(cpu, insn, 1));
  write_register<T>(cpu, insn, 1, first);
  return {};
}
template <class T>
Result<void> interpret_xchg_memory(Cpu& cpu, const Instruction& insn) {
  return update_first<T, true>(cpu, insn, [&](T before) {
    const T value = read_register<T>(cpu, insn, 1);
    write_register<T>(cpu, insn, 1, before);
    return value;
  });
}

/// The source is read, and a 32-bit destination loses its upper half, whatever the condition says.
template <class T, bool kMemory, unsigned kCondition>
Result<void> interpret_cmov(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(const T source, (read_source<T, kMemory>(cpu, insn, 1)));
  const T before = read_register<T>(cpu, insn, 0);
  write_register<T>(cpu, insn, 0, holds<kCondition>(cpu.state.flags) ? source : before);
  return {};
}
template <class T, bool kMemory>
struct PickCmov {
  template <unsigned kCondition>
  static constexpr Handler at() { return interpret_cmov<T, kMemory, kCondition>; }
};

template <bool kMemory, unsigned kCondition>
Result<void> interpret_set(Cpu& cpu, const Instruction& insn) {
  const u8 value = holds<kCondition>(cpu.state.flags) ? 1 : 0;
  if constexpr (kMemory) {
    return cpu.store_operand<u8>(insn, value);
  } else {
    write_register<u8>(cpu, insn, 0, value);
    return {};
  }
}
template <bool kMemory>
struct PickSet {
  template <unsigned kCondition>
  static constexpr Handler at() { return interpret_set<kMemory, kCondition>; }
};

Result<void> interpret_xlat(Cpu& cpu, const Instruction& insn) {
  const u64 offset = (cpu.state.gpr[RBX] + cpu.state.at<u8>(kAl)) & insn.address_mask;
  DOPPEL_TRY(const u8 value, cpu.load<u8>(insn.segment, offset));
  cpu.state.set_at<u8>(kAl, value);
  return {};
}

// ---- flags ---------------------------------------------------------------------------------------

constexpr u64 kAhFlags = rflags::SF | rflags::ZF | rflags::AF | rflags::PF | rflags::CF;

Result<void> interpret_lahf(Cpu& cpu, const Instruction&) {
  const u64 flags = (cpu.state.flags.get() & kAhFlags) | rflags::FIXED;
  cpu.state.set_at<u8>(kAh, static_cast<u8>(flags));
  return {};
}
Result<void> interpret_sahf(Cpu& cpu, const Instruction&) {
  LazyFlags& flags = cpu.state.flags;
  flags.set((flags.get() & rflags::OF) | (cpu.state.at<u8>(kAh) & kAhFlags));
  return {};
}
/// SALC (D6, undocumented but in every processor): AL becomes all carry.
Result<void> interpret_salc(Cpu& cpu, const Instruction&) {
  cpu.state.set_at<u8>(kAl, cpu.state.flags.cf() ? 0xff : 0);
  return {};
}
Result<void> interpret_clc(Cpu& cpu, const Instruction&) {
  cpu.state.flags.set_cf(false);
  return {};
}
Result<void> interpret_stc(Cpu& cpu, const Instruction&) {
  cpu.state.flags.set_cf(true);
  return {};
}
Result<void> interpret_cmc(Cpu& cpu, const Instruction&) {
  cpu.state.flags.set_cf(!cpu.state.flags.cf());
  return {};
}
Result<void> interpret_cld(Cpu& cpu, const Instruction&) {
  cpu.state.system_flags &= ~rflags::DF;
  return {};
}
Result<void> interpret_std(Cpu& cpu, const Instruction&) {
  cpu.state.system_flags |= rflags::DF;
  return {};
}

// ---- nothing, caches, chance ---------------------------------------------------------------------

Result<void> interpret_nop(Cpu&, const Instruction&) { return {}; }

/// CLFLUSH: there is no cache to flush, but the address faults as a load's would.
Result<void> interpret_clflush(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(const LinearAddr address,
             cpu.linear(insn.segment, cpu.effective_address(insn), 1, Access::Read));
  const Result<void> result = cpu.mmu.probe(address, 1, Access::Read);
  if (!result.ok()) return Cpu::data_fault(insn.segment, result.error());
  return {};
}

/// RDRAND and RDSEED always have a number ready: CF is 1, the other flags are 0.
template <class T>
Result<void> interpret_random(Cpu& cpu, const Instruction& insn) {
  const u64 number = next_random(cpu.state.random);
  write_register<T>(cpu, insn, 0, static_cast<T>(number >> (64 - kBitsOf<T>)));
  cpu.state.flags.set(rflags::CF);
  return {};
}

}  // namespace

Handler select_mov(const Instruction& insn) {
  for (const Operand& operand : insn.operand) {
    if (operand.kind == OperandKind::Control) return select_mov_control(insn);
    if (operand.kind == OperandKind::Debug) return select_mov_debug(insn);
    if (operand.kind == OperandKind::Segment) return select_mov_segment(insn);
  }
  return select_mov_general(insn);
}
Handler select_movzx(const Instruction& insn) { return select_extend<false>(insn); }
Handler select_movsx(const Instruction& insn) { return select_extend<true>(insn); }
Handler select_movsxd(const Instruction& insn) {
  // Without REX.W nothing is extended, and a 16-bit destination takes 16 bits of the source.
  if (insn.operand[0].bytes == 8) return select_extend<true>(insn);
  return select_mov_general(insn);
}

Handler select_cbw(const Instruction&) { return interpret_extend_accumulator<u8, u16>; }
Handler select_cwde(const Instruction&) { return interpret_extend_accumulator<u16, u32>; }
Handler select_cdqe(const Instruction&) { return interpret_extend_accumulator<u32, u64>; }
Handler select_cwd(const Instruction&) { return interpret_spread_sign<u16>; }
Handler select_cdq(const Instruction&) { return interpret_spread_sign<u32>; }
Handler select_cqo(const Instruction&) { return interpret_spread_sign<u64>; }

Handler select_lea(const Instruction& insn) {
  return by_word_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    return is_indexed(insn) ? interpret_lea<T, true> : interpret_lea<T, false>;
  });
}
Handler select_xchg(const Instruction& insn) {
  return by_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    switch (form_of(insn)) {
      case Form::RegisterRegister: return interpret_xchg_registers<T>;
      case Form::MemoryRegister: return interpret_xchg_memory<T>;
      default: return interpret_invalid;
    }
  });
}
Handler select_cmov(const Instruction& insn) {
  return by_word_width(insn.operand[0].bytes, [&]<class T>() -> Handler {
    return is_memory(insn, 1) ? by_condition<PickCmov<T, true>>(condition_of(insn))
                              : by_condition<PickCmov<T, false>>(condition_of(insn));
  });
}
Handler select_set(const Instruction& insn) {
  return is_memory(insn, 0) ? by_condition<PickSet<true>>(condition_of(insn))
                            : by_condition<PickSet<false>>(condition_of(insn));
}
Handler select_xlat(const Instruction&) { return interpret_xlat; }

Handler select_lahf(const Instruction&) { return interpret_lahf; }
Handler select_sahf(const Instruction&) { return interpret_sahf; }
Handler select_salc(const Instruction&) { return interpret_salc; }
Handler select_clc(const Instruction&) { return interpret_clc; }
Handler select_stc(const Instruction&) { return interpret_stc; }
Handler select_cmc(const Instruction&) { return interpret_cmc; }
Handler select_cld(const Instruction&) { return interpret_cld; }
Handler select_std(const Instruction&) { return interpret_std; }

Handler select_nop(const Instruction&) { return interpret_nop; }
Handler select_clflush(const Instruction&) { return interpret_clflush; }
Handler select_random(const Instruction& insn) {
  return by_word_width(insn.operand[0].bytes,
                       []<class T>() -> Handler { return interpret_random<T>; });
}

}  // namespace doppel::cpu
