// x87 instructions: arithmetic, loads and stores, comparisons, and those that only move registers.
//
// Whatever computes runs on the host's unit, see x87_thunks.h. What merely copies or counts is
// written out here, and leaves the stack's accidents (an empty source, a full destination) to the
// exact way too: the host knows which of the status bits they set.
// @source Intel SDM Vol. 1, "Programming with the x87 FPU"

#include "cpu/instruction_table.h"
#include "cpu/interpreter/fpu_checks.h"
#include "cpu/interpreter/x87_thunks.h"
#include "cpu/interpreter/x87_unit.h"

namespace doppel::cpu {
namespace {

/// A memory operand or a register of the unit.
struct alignas(16) X87Value {
  u8 bytes[16];
};

const X87Form& form_of(const Instruction& insn) { return *static_cast<const X87Form*>(insn.thunk); }

Result<void> read_memory(Cpu& cpu, const Instruction& insn, unsigned bytes, X87Value& out) {
  const u64 offset = cpu.effective_address(insn);
  const auto load = [&]<class T>(T) -> Result<void> {
    DOPPEL_TRY(const T value, cpu.load<T>(insn.segment, offset));
    std::memcpy(out.bytes, &value, sizeof value);
    return {};
  };
  switch (bytes) {
    case 2:
      return load(u16{});
    case 4:
      return load(u32{});
    case 8:
      return load(u64{});
    default:
      return cpu.load_bytes(insn.segment, offset, out.bytes, bytes);
  }
}

Result<void> write_memory(Cpu& cpu, const Instruction& insn, unsigned bytes, const X87Value& in) {
  const u64 offset = cpu.effective_address(insn);
  const auto store = [&]<class T>(T value) -> Result<void> {
    std::memcpy(&value, in.bytes, sizeof value);
    return cpu.store<T>(insn.segment, offset, value);
  };
  switch (bytes) {
    case 2:
      return store(u16{});
    case 4:
      return store(u32{});
    case 8:
      return store(u64{});
    default:
      return cpu.store_bytes(insn.segment, offset, in.bytes, bytes);
  }
}

/// Whether a store would succeed.
Result<void> check_destination(Cpu& cpu, const Instruction& insn, unsigned bytes) {
  const u64 offset = cpu.effective_address(insn);
  const auto check = [&]<class T>(T value) -> Result<void> {
    DOPPEL_TRY(cpu.open_for_update<T>(insn.segment, offset, value));
    return {};
  };
  switch (bytes) {
    case 2:
      return check(u16{});
    case 4:
      return check(u32{});
    case 8:
      return check(u64{});
    default:
      return probe_store(cpu, insn, offset, bytes);
  }
}

/// The whole unit goes to the host and comes back.
Result<void> run_exact(Cpu& cpu, const Instruction& insn, const X87Form& form, X87Value& memory) {
  constexpr u32 kHostMxcsr = 0x1f80;
  X87State& x87 = cpu.state.x87;
  struct alignas(64) {
    X87State unit;
    u8 rest[512 - sizeof(X87State)];  // XMM registers: loaded and never looked at.
  } image;
  static_assert(sizeof image == 512);
  image.unit = x87;
  image.unit.mxcsr = kHostMxcsr;
  // Going on past an error (FERR#, see check_x87_error): the host must not see it pending.
  const bool ignored_error = (x87.fsw & fsw::ES) != 0;
  if (ignored_error) image.unit.fcw |= fsw::kExceptions;

  const u64 flags = form.run_exact(&image, memory.bytes, cpu.state.flags.get() | rflags::FIXED);

  const u16 raised = static_cast<u16>(image.unit.fsw & ~image.unit.fcw);
  const bool stored = (raised & (fsw::IE | fsw::OE | fsw::UE)) == 0;
  // An exception that is not masked keeps the result back; a destination that faults comes first.
  if (form.writes_memory) {
    DOPPEL_TRY(stored ? write_memory(cpu, insn, form.memory_bytes, memory)
                      : check_destination(cpu, insn, form.memory_bytes));
  }
  x87.fsw = image.unit.fsw;
  x87.ftw = image.unit.ftw;
  for (unsigned i = 0; i < 8; ++i) std::memcpy(x87.st[i], image.unit.st[i], 10);
  if (ignored_error) {
    x87_update_summary(cpu);
  } else if ((x87.fsw & fsw::ES) != 0 && (cpu.state.cr0 & cr0::NE) == 0) {
    cpu.environment.set_ferr(true);
  }
  if (form.writes_flags) cpu.state.flags.set(flags & rflags::kArithmetic);
  x87_note_instruction(cpu, insn);
  return {};
}

/// An operand of the stack is where the shape wants it, and the place of the result is free.
template <X87Shape kShape>
bool stack_in_order(const X87State& x87, const X87Form& form) {
  switch (kShape) {
    case X87Shape::Load:
      return !x87_valid(x87, 7);
    case X87Shape::StackToTop:
    case X87Shape::TopToStack:
    case X87Shape::TwoToOne:
    case X87Shape::CompareStack:
      return x87_valid(x87, 0) && x87_valid(x87, form.index);
    case X87Shape::Exact:
      return false;
    default:
      return x87_valid(x87, 0);
  }
}

/// Only the operands go to the host. False: nothing has changed, take the exact way.
/// `top` and `other` are what the thunk reads and writes.
bool run_short(const X87State& x87, const X87Form& form, X87Value& top, X87Value& other,
               u64& outcome) {
  const u16 words[2] = {static_cast<u16>(x87.fcw | fsw::kExceptions), kFcwInitial};
  const u64 unseen = ~u64{x87.fsw} & fsw::kExceptions;
  outcome = form.run_short(top.bytes, other.bytes, 0, unseen, words);
  if (form.exact_if_nan && (top.bytes[9] & 0x7f) == 0x7f && top.bytes[8] == 0xff) return false;
  return (outcome & ~u64{x87.fcw} & fsw::kExceptions) == 0;
}

template <X87Shape kShape>
Result<bool> try_short(Cpu& cpu, const Instruction& insn, const X87Form& form, X87Value& memory) {
  X87State& x87 = cpu.state.x87;
  // Underflow that the guest has not masked is reported for exact results too: not so here.
  if ((x87.fcw & fsw::UE) == 0 || (x87.fsw & fsw::ES) != 0 || !stack_in_order<kShape>(x87, form)) {
    return false;
  }
  constexpr bool kWithMemory = kShape == X87Shape::MemoryToTop ||
                               kShape == X87Shape::CompareMemory || kShape == X87Shape::Store ||
                               kShape == X87Shape::Load;
  constexpr bool kTwoRegisters = kShape == X87Shape::StackToTop || kShape == X87Shape::TopToStack ||
                                 kShape == X87Shape::TwoToOne || kShape == X87Shape::CompareStack;
  u64 outcome = 0;
  X87Value top;
  if constexpr (kShape != X87Shape::Load) x87_read(x87, 0, top.bytes);
  X87Value other;
  if constexpr (kTwoRegisters) x87_read(x87, form.index, other.bytes);
  if (!run_short(x87, form, top, kWithMemory ? memory : other, outcome)) return false;

  if constexpr (kShape == X87Shape::Store) {
    DOPPEL_TRY(write_memory(cpu, insn, form.memory_bytes, memory));
  }
  if constexpr (kShape == X87Shape::Load) x87_push(x87);
  if constexpr (kShape == X87Shape::StackToTop || kShape == X87Shape::MemoryToTop ||
                kShape == X87Shape::Top || kShape == X87Shape::Load) {
    x87_write(x87, 0, top.bytes);
  }
  if constexpr (kShape == X87Shape::TopToStack || kShape == X87Shape::TwoToOne) {
    x87_write(x87, form.index, other.bytes);
  }
  x87.fsw = static_cast<u16>((x87.fsw & ~form.conditions) |
                             (outcome & (form.conditions | fsw::kExceptions)));
  for (unsigned i = 0; i < form.pops; ++i) x87_pop(x87);
  if (form.writes_flags) {
    cpu.state.flags.set(outcome >> 16 & (rflags::ZF | rflags::PF | rflags::CF));
  }
  x87_note_instruction(cpu, insn);
  return true;
}

template <X87Shape kShape>
Result<void> interpret_x87(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(check_x87(cpu));
  const X87Form& form = form_of(insn);
  X87Value memory{};
  if (form.memory_bytes != 0 && !form.writes_memory) {
    DOPPEL_TRY(read_memory(cpu, insn, form.memory_bytes, memory));
  }
  DOPPEL_TRY(const bool done, try_short<kShape>(cpu, insn, form, memory));
  if (done) [[likely]]
    return {};
  return run_exact(cpu, insn, form, memory);
}

/// As run_exact, for the register forms below.
Result<void> run_exact_registers(Cpu& cpu, const Instruction& insn) {
  X87Value none{};
  return run_exact(cpu, insn, form_of(insn), none);
}

void clear_c1(X87State& x87) { x87.fsw = static_cast<u16>(x87.fsw & ~fsw::C1); }

unsigned register_index(const Instruction& insn) { return insn.bytes[insn.opcode_offset + 1] & 7; }

Result<void> interpret_fld_register(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(check_x87(cpu));
  X87State& x87 = cpu.state.x87;
  const unsigned i = register_index(insn);
  if (!x87_valid(x87, i) || x87_valid(x87, 7)) return run_exact_registers(cpu, insn);
  X87Value value;
  x87_read(x87, i, value.bytes);
  x87_push(x87);
  x87_write(x87, 0, value.bytes);
  clear_c1(x87);
  x87_note_instruction(cpu, insn);
  return {};
}

template <bool kPops>
Result<void> interpret_fst_register(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(check_x87(cpu));
  X87State& x87 = cpu.state.x87;
  if (!x87_valid(x87, 0)) return run_exact_registers(cpu, insn);
  const unsigned i = register_index(insn);
  if (i != 0) std::memcpy(x87.st[i], x87.st[0], sizeof x87.st[0]);
  x87_set_valid(x87, i, true);
  clear_c1(x87);
  if (kPops) x87_pop(x87);
  x87_note_instruction(cpu, insn);
  return {};
}

Result<void> interpret_fxch(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(check_x87(cpu));
  X87State& x87 = cpu.state.x87;
  const unsigned i = register_index(insn);
  if (!x87_valid(x87, 0) || !x87_valid(x87, i)) return run_exact_registers(cpu, insn);
  X87Value top;
  X87Value other;
  x87_read(x87, 0, top.bytes);
  x87_read(x87, i, other.bytes);
  x87_write(x87, 0, other.bytes);
  x87_write(x87, i, top.bytes);
  clear_c1(x87);
  x87_note_instruction(cpu, insn);
  return {};
}

/// Conditions of FCMOVcc in the order of its encoding: B, E, BE, U.
bool fcmov_condition(const LazyFlags& flags, unsigned number) {
  switch (number & 3) {
    case 0:
      return flags.cf();
    case 1:
      return flags.zf();
    case 2:
      return flags.cf() || flags.zf();
    default:
      return flags.pf();
  }
}

Result<void> interpret_fcmov(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(check_x87(cpu));
  X87State& x87 = cpu.state.x87;
  const u8* opcode = insn.bytes + insn.opcode_offset;
  const unsigned i = register_index(insn);
  if (!x87_valid(x87, 0) || !x87_valid(x87, i)) return run_exact_registers(cpu, insn);
  const bool negated = opcode[0] == 0xdb;
  if (fcmov_condition(cpu.state.flags, opcode[1] >> 3) != negated) {
    std::memmove(x87.st[0], x87.st[i], sizeof x87.st[0]);
  }
  x87.fsw = static_cast<u16>(x87.fsw & ~form_of(insn).conditions);
  x87_note_instruction(cpu, insn);
  return {};
}

template <unsigned kDistance>
Result<void> interpret_move_top(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(check_x87(cpu));
  X87State& x87 = cpu.state.x87;
  x87_set_top(x87, (x87_top(x87) + kDistance) & 7);
  clear_c1(x87);
  x87_note_instruction(cpu, insn);
  return {};
}

Result<void> interpret_fnop(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(check_x87(cpu));
  x87_note_instruction(cpu, insn);
  return {};
}

Handler handler_for(X87Shape shape) {
  switch (shape) {
    case X87Shape::Exact:
      return interpret_x87<X87Shape::Exact>;
    case X87Shape::StackToTop:
      return interpret_x87<X87Shape::StackToTop>;
    case X87Shape::TopToStack:
      return interpret_x87<X87Shape::TopToStack>;
    case X87Shape::TwoToOne:
      return interpret_x87<X87Shape::TwoToOne>;
    case X87Shape::MemoryToTop:
      return interpret_x87<X87Shape::MemoryToTop>;
    case X87Shape::Top:
      return interpret_x87<X87Shape::Top>;
    case X87Shape::Load:
      return interpret_x87<X87Shape::Load>;
    case X87Shape::Store:
      return interpret_x87<X87Shape::Store>;
    case X87Shape::CompareStack:
      return interpret_x87<X87Shape::CompareStack>;
    case X87Shape::CompareMemory:
      return interpret_x87<X87Shape::CompareMemory>;
    case X87Shape::Examine:
      return interpret_x87<X87Shape::Examine>;
  }
  return interpret_invalid;
}

/// True, and `insn.thunk` set, if the host can run it.
bool bind_form(const Instruction& insn) {
  const u8* opcode = insn.bytes + insn.opcode_offset;
  if (opcode[0] < 0xd8 || opcode[0] > 0xdf) return false;
  insn.thunk = find_x87_form(opcode[0], opcode[1]);
  return insn.thunk != nullptr;
}

bool is_register_form(const Instruction& insn) {
  return insn.bytes[insn.opcode_offset + 1] >= 0xc0;
}

}  // namespace

Handler select_x87(const Instruction& insn) {
  return bind_form(insn) ? handler_for(form_of(insn).shape) : interpret_invalid;
}

Handler select_fld(const Instruction& insn) {
  if (!is_register_form(insn)) return select_x87(insn);
  return bind_form(insn) ? interpret_fld_register : interpret_invalid;
}

Handler select_fst(const Instruction& insn) {
  if (!is_register_form(insn)) return select_x87(insn);
  return bind_form(insn) ? interpret_fst_register<false> : interpret_invalid;
}

Handler select_fstp(const Instruction& insn) {
  if (!is_register_form(insn)) return select_x87(insn);
  return bind_form(insn) ? interpret_fst_register<true> : interpret_invalid;
}

Handler select_fxch(const Instruction& insn) {
  return bind_form(insn) ? interpret_fxch : interpret_invalid;
}

Handler select_fcmov(const Instruction& insn) {
  return bind_form(insn) ? interpret_fcmov : interpret_invalid;
}

Handler select_fincstp(const Instruction&) { return interpret_move_top<1>; }
Handler select_fdecstp(const Instruction&) { return interpret_move_top<7>; }
Handler select_fnop(const Instruction&) { return interpret_fnop; }

}  // namespace doppel::cpu
