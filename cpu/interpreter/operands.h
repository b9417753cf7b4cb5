#pragma once

// How integer handlers are chosen and reach their operands.
//
// Which operand is where, and how wide, is known when an instruction is decoded; asking again each
// time it runs would cost more than the addition. So a handler is a template on width and form, and
// a selector picks the instance once:
//
//     select_add(insn) --width--> u32 --form--> interpret_binary<Add, u32, Form::RegisterMemory>
//
// A selector that meets operands it does not know answers with #UD: nothing is guessed.
//
// Handlers that most programs spend their time in are marked [[gnu::flatten]]: the hit path of a
// memory access is a few instructions, and a call around them would cost as much again.

#include <array>
#include <utility>

#include "cpu/cpu.h"
#include "cpu/flags.h"
#include "cpu/instruction.h"
#include "cpu/instruction_table.h"

namespace doppel::cpu {

enum class Form : u8 {
  RegisterRegister,
  RegisterMemory,
  MemoryRegister,
  RegisterImmediate,
  MemoryImmediate,
  None,
};

/// The form of the first two operands.
inline Form form_of(const Instruction& insn) {
  const OperandKind first = insn.operand[0].kind;
  const OperandKind second = insn.operand[1].kind;
  if (first == OperandKind::Gpr) {
    if (second == OperandKind::Gpr) return Form::RegisterRegister;
    if (second == OperandKind::Memory) return Form::RegisterMemory;
    if (second == OperandKind::Immediate) return Form::RegisterImmediate;
  }
  if (first == OperandKind::Memory) {
    if (second == OperandKind::Gpr) return Form::MemoryRegister;
    if (second == OperandKind::Immediate) return Form::MemoryImmediate;
  }
  return Form::None;
}

inline bool is_register(const Instruction& insn, unsigned n) {
  return insn.operand[n].kind == OperandKind::Gpr;
}
inline bool is_memory(const Instruction& insn, unsigned n) {
  return insn.operand[n].kind == OperandKind::Memory;
}

/// Calls `pick` with the unsigned type of that many bytes: `[]<class T>() -> Handler { ... }`.
template <class Pick>
Handler by_width(unsigned width_bytes, Pick&& pick) {
  switch (width_bytes) {
    case 1: return pick.template operator()<u8>();
    case 2: return pick.template operator()<u16>();
    case 4: return pick.template operator()<u32>();
    case 8: return pick.template operator()<u64>();
    default: return interpret_invalid;
  }
}
/// As by_width, for instructions without a byte form.
template <class Pick>
Handler by_word_width(unsigned width_bytes, Pick&& pick) {
  switch (width_bytes) {
    case 2: return pick.template operator()<u16>();
    case 4: return pick.template operator()<u32>();
    case 8: return pick.template operator()<u64>();
    default: return interpret_invalid;
  }
}
/// As by_width, for instructions on 32 and 64 bits only.
template <class Pick>
Handler by_dword_width(unsigned width_bytes, Pick&& pick) {
  switch (width_bytes) {
    case 4: return pick.template operator()<u32>();
    case 8: return pick.template operator()<u64>();
    default: return interpret_invalid;
  }
}
/// The type of an effective address.
template <class Pick>
Handler by_address_size(const Instruction& insn, Pick&& pick) {
  if (insn.address_mask == 0xffff) return pick.template operator()<u16>();
  if (insn.address_mask == 0xffff'ffff) return pick.template operator()<u32>();
  return pick.template operator()<u64>();
}

/// The opcode byte, or the one after 0F.
inline u8 opcode_of(const Instruction& insn) {
  const u8 first = insn.bytes[insn.opcode_offset];
  return first == 0x0f ? insn.bytes[insn.opcode_offset + 1] : first;
}
/// The condition in the low bits of Jcc, SETcc and CMOVcc.
inline unsigned condition_of(const Instruction& insn) { return opcode_of(insn) & 0xf; }

/// Picks by condition: `Pick::at<condition>()` names the handler.
template <class Pick>
Handler by_condition(unsigned condition) {
  return []<size_t... kCondition>(unsigned wanted, std::index_sequence<kCondition...>) {
    static constexpr std::array<Handler, kConditions> kHandlers = {
        Pick::template at<kCondition>()...};
    return kHandlers[wanted];
  }(condition, std::make_index_sequence<kConditions>());
}

template <class T>
T read_register(const Cpu& cpu, const Instruction& insn, unsigned n) {
  return cpu.state.at<T>(insn.operand[n].reg);
}
template <class T>
void write_register(Cpu& cpu, const Instruction& insn, unsigned n, T value) {
  cpu.state.set_at<T>(insn.operand[n].reg, value);
}

/// Operand `n`, which the form says is a register or memory.
template <class T, bool kMemory>
Result<T> read_source(Cpu& cpu, const Instruction& insn, unsigned n) {
  if constexpr (kMemory) {
    return cpu.load_operand<T>(insn);
  } else {
    return read_register<T>(cpu, insn, n);
  }
}

/// Replaces the first operand by `change(old)`. Write access is granted before `change` runs, so
/// what it does to flags and registers happens only if the instruction completes.
template <class T, bool kMemory, class Change>
Result<void> update_first(Cpu& cpu, const Instruction& insn, Change&& change) {
  if constexpr (kMemory) {
    T value;
    DOPPEL_TRY(const mmu::UpdateSlot slot,
               cpu.open_for_update<T>(insn.segment, cpu.effective_address(insn), value));
    cpu.close_update<T>(slot, change(value));
  } else {
    write_register<T>(cpu, insn, 0, change(read_register<T>(cpu, insn, 0)));
  }
  return {};
}

}  // namespace doppel::cpu
