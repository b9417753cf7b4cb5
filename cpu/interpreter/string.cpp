// String instructions, with and without repetition.
//
// A repeated instruction is a loop that can be left anywhere: each iteration writes its registers
// back, so a fault (or an interrupt) finds the progress made and RIP still at the instruction, and
// coming back continues. One call of a handler runs at most `kTurnBytes` worth of iterations; if
// more are left it puts RIP back and asks the engine to look around. How many run in a turn depends
// on the registers alone, never on what the TLB holds: a machine stays repeatable.
//
//     turn:   span | one one one | span ...
//
// A span is a piece of plain memory within one page, worked on directly. Where there is none
// (devices, tracked pages, page-crossing elements, DF = 1, anything that will fault) it goes one
// element at a time through the ordinary accesses.
//
// @source Intel SDM Vol. 2, "REP/REPE/REPZ/REPNE/REPNZ", "MOVS", "CMPS", "STOS", "LODS", "SCAS",
//         "INS", "OUTS"

#include <algorithm>

#include "cpu/interpreter/operands.h"
#include "cpu/monitor.h"

namespace doppel::cpu {

namespace {

constexpr u64 kTurnBytes = 4096;
/// Elements taken one by one before a span is tried again.
constexpr u64 kSinglesPerTry = 64;

enum class Repeat : u8 { Always, WhileEqual, WhileNotEqual };

template <class A>
u64 index_register(const Cpu& cpu, Gpr reg) { return cpu.state.at<A>(reg * 8u); }

bool backwards(const Cpu& cpu) { return cpu.state.test(rflags::DF); }

/// Moves an index register over one element, in the direction of DF.
template <class T, class A>
void advance(Cpu& cpu, Gpr reg) {
  const u64 step = backwards(cpu) ? 0 - sizeof(T) : sizeof(T);
  cpu.state.set_at<A>(reg * 8u, static_cast<A>(index_register<A>(cpu, reg) + step));
}
/// Moves an index register forward over a span.
template <class T, class A>
void advance_over(Cpu& cpu, Gpr reg, u64 elements) {
  cpu.state.set_at<A>(reg * 8u,
                      static_cast<A>(index_register<A>(cpu, reg) + elements * sizeof(T)));
}

/// How many of `elements` lie in one page from here on, without wrapping the index register.
template <class T, class A>
u64 clip_span(Cpu& cpu, Seg segment, Gpr reg, u64 elements, Access access) {
  const u64 offset = index_register<A>(cpu, reg);
  const Result<LinearAddr> address = cpu.linear(segment, offset, 1, access);
  if (!address.ok()) return 0;
  u64 bytes_left = kPageSize - address.value().page_offset();
  if constexpr (sizeof(A) == 2) bytes_left = std::min(bytes_left, 0x1'0000 - offset);
  return std::min(elements, bytes_left / sizeof(T));
}
/// Host memory behind a clipped span; null if it must go element by element.
template <class T, class A>
u8* open_span(Cpu& cpu, Seg segment, Gpr reg, u64 elements, Access access) {
  const size_t size = elements * sizeof(T);
  const Result<LinearAddr> address =
      cpu.linear(segment, index_register<A>(cpu, reg), size, access);
  return address.ok() ? cpu.mmu.direct_span(address.value(), size, access) : nullptr;
}

template <class T>
T element(const u8* host, u64 n) {
  T value;
  std::memcpy(&value, host + n * sizeof(T), sizeof value);
  return value;
}

// Each operation: `one` does an element and moves the indexes, or faults with nothing changed.
// `span` does up to `limit` elements at once and says how many; 0: use `one`.

struct Movs {
  static constexpr bool kCompares = false;

  template <class T, class A>
  static Result<void> one(Cpu& cpu, const Instruction& insn) {
    DOPPEL_TRY(const T value, cpu.load<T>(insn.segment, index_register<A>(cpu, RSI)));
    DOPPEL_TRY(cpu.store<T>(Seg::ES, index_register<A>(cpu, RDI), value));
    advance<T, A>(cpu, RSI);
    advance<T, A>(cpu, RDI);
    return {};
  }

  template <class T, class A, Repeat>
  static u64 span(Cpu& cpu, const Instruction& insn, u64 limit) {
    u64 n = clip_span<T, A>(cpu, insn.segment, RSI, limit, Access::Read);
    n = clip_span<T, A>(cpu, Seg::ES, RDI, n, Access::Write);
    if (n == 0 || open_span<T, A>(cpu, insn.segment, RSI, n, Access::Read) == nullptr) return 0;
    u8* const to = open_span<T, A>(cpu, Seg::ES, RDI, n, Access::Write);
    if (to == nullptr) return 0;
    // Asked again: opening the destination may have given its page, perhaps the same, a new frame.
    const u8* const from = open_span<T, A>(cpu, insn.segment, RSI, n, Access::Read);
    if (from == nullptr) return 0;
    if (to > from && to < from + n * sizeof(T)) {
      // The copy runs into its own output: a pattern repeats, as element after element would.
      for (u64 i = 0; i < n; ++i) {
        const T value = element<T>(from, i);
        std::memcpy(to + i * sizeof(T), &value, sizeof value);
      }
    } else {
      std::memmove(to, from, n * sizeof(T));
    }
    advance_over<T, A>(cpu, RSI, n);
    advance_over<T, A>(cpu, RDI, n);
    return n;
  }
};

/// Writes `n` elements, many at a time.
template <class T>
void fill(u8* to, T value, u64 n) {
  // A page that is cleared is seldom in the host's caches: memset need not read it.
  if (value == 0) {
    std::memset(to, 0, n * sizeof value);
    return;
  }
  constexpr size_t kChunk = 64;
  u8 chunk[kChunk];
  for (size_t i = 0; i < kChunk; i += sizeof(T)) std::memcpy(chunk + i, &value, sizeof value);
  u64 left = n * sizeof(T);
  for (; left >= kChunk; left -= kChunk, to += kChunk) std::memcpy(to, chunk, kChunk);
  std::memcpy(to, chunk, left);
}

struct Stos {
  static constexpr bool kCompares = false;

  template <class T, class A>
  static Result<void> one(Cpu& cpu, const Instruction&) {
    DOPPEL_TRY(cpu.store<T>(Seg::ES, index_register<A>(cpu, RDI), cpu.state.at<T>(RAX * 8)));
    advance<T, A>(cpu, RDI);
    return {};
  }

  template <class T, class A, Repeat>
  static u64 span(Cpu& cpu, const Instruction&, u64 limit) {
    const u64 n = clip_span<T, A>(cpu, Seg::ES, RDI, limit, Access::Write);
    if (n == 0) return 0;
    u8* const to = open_span<T, A>(cpu, Seg::ES, RDI, n, Access::Write);
    if (to == nullptr) return 0;
    fill(to, cpu.state.at<T>(RAX * 8), n);
    advance_over<T, A>(cpu, RDI, n);
    return n;
  }
};

struct Lods {
  static constexpr bool kCompares = false;

  template <class T, class A>
  static Result<void> one(Cpu& cpu, const Instruction& insn) {
    DOPPEL_TRY(const T value, cpu.load<T>(insn.segment, index_register<A>(cpu, RSI)));
    cpu.state.set_at<T>(RAX * 8, value);
    advance<T, A>(cpu, RSI);
    return {};
  }

  template <class T, class A, Repeat>
  static u64 span(Cpu& cpu, const Instruction& insn, u64 limit) {
    const u64 n = clip_span<T, A>(cpu, insn.segment, RSI, limit, Access::Read);
    if (n == 0) return 0;
    const u8* const from = open_span<T, A>(cpu, insn.segment, RSI, n, Access::Read);
    if (from == nullptr) return 0;
    cpu.state.set_at<T>(RAX * 8, element<T>(from, n - 1));
    advance_over<T, A>(cpu, RSI, n);
    return n;
  }
};

template <Repeat kRepeat, class T>
constexpr bool goes_on(T a, T b) { return (a == b) == (kRepeat == Repeat::WhileEqual); }

struct Cmps {
  static constexpr bool kCompares = true;

  template <class T, class A>
  static Result<void> one(Cpu& cpu, const Instruction& insn) {
    DOPPEL_TRY(const T first, cpu.load<T>(insn.segment, index_register<A>(cpu, RSI)));
    DOPPEL_TRY(const T second, cpu.load<T>(Seg::ES, index_register<A>(cpu, RDI)));
    subtract<T>(cpu.state.flags, first, second);
    advance<T, A>(cpu, RSI);
    advance<T, A>(cpu, RDI);
    return {};
  }

  template <class T, class A, Repeat kRepeat>
  static u64 span(Cpu& cpu, const Instruction& insn, u64 limit) {
    u64 n = clip_span<T, A>(cpu, insn.segment, RSI, limit, Access::Read);
    n = clip_span<T, A>(cpu, Seg::ES, RDI, n, Access::Read);
    if (n == 0 || open_span<T, A>(cpu, insn.segment, RSI, n, Access::Read) == nullptr) return 0;
    const u8* const second = open_span<T, A>(cpu, Seg::ES, RDI, n, Access::Read);
    if (second == nullptr) return 0;
    const u8* const first = open_span<T, A>(cpu, insn.segment, RSI, n, Access::Read);
    if (first == nullptr) return 0;
    u64 i = 0;
    while (i + 1 < n && goes_on<kRepeat>(element<T>(first, i), element<T>(second, i))) ++i;
    subtract<T>(cpu.state.flags, element<T>(first, i), element<T>(second, i));
    advance_over<T, A>(cpu, RSI, i + 1);
    advance_over<T, A>(cpu, RDI, i + 1);
    return i + 1;
  }
};

struct Scas {
  static constexpr bool kCompares = true;

  template <class T, class A>
  static Result<void> one(Cpu& cpu, const Instruction&) {
    DOPPEL_TRY(const T value, cpu.load<T>(Seg::ES, index_register<A>(cpu, RDI)));
    subtract<T>(cpu.state.flags, cpu.state.at<T>(RAX * 8), value);
    advance<T, A>(cpu, RDI);
    return {};
  }

  template <class T, class A, Repeat kRepeat>
  static u64 span(Cpu& cpu, const Instruction&, u64 limit) {
    const u64 n = clip_span<T, A>(cpu, Seg::ES, RDI, limit, Access::Read);
    if (n == 0) return 0;
    const u8* const from = open_span<T, A>(cpu, Seg::ES, RDI, n, Access::Read);
    if (from == nullptr) return 0;
    const T wanted = cpu.state.at<T>(RAX * 8);
    u64 i = 0;
    while (i + 1 < n && goes_on<kRepeat>(wanted, element<T>(from, i))) ++i;
    subtract<T>(cpu.state.flags, wanted, element<T>(from, i));
    advance_over<T, A>(cpu, RDI, i + 1);
    return i + 1;
  }
};

// Reading a port has effects that cannot be taken back, so everything that may fault comes before.
struct Ins {
  static constexpr bool kCompares = false;

  template <class T, class A>
  static Result<void> one(Cpu& cpu, const Instruction&) {
    const u16 port = cpu.state.at<u16>(RDX * 8);
    const u64 offset = index_register<A>(cpu, RDI);
    DOPPEL_TRY(check_io(cpu, port, sizeof(T)));
    DOPPEL_TRY(const LinearAddr address, cpu.linear(Seg::ES, offset, sizeof(T), Access::Write));
    DOPPEL_TRY(cpu.mmu.probe(address, sizeof(T), Access::Write));
    const u64 value = cpu.environment.read_port(port, static_cast<Width>(sizeof(T)));
    cpu.attention = true;
    DOPPEL_TRY(cpu.store<T>(Seg::ES, offset, static_cast<T>(value)));
    advance<T, A>(cpu, RDI);
    return {};
  }

  template <class T, class A, Repeat>
  static u64 span(Cpu&, const Instruction&, u64) { return 0; }
};

struct Outs {
  static constexpr bool kCompares = false;

  template <class T, class A>
  static Result<void> one(Cpu& cpu, const Instruction& insn) {
    const u16 port = cpu.state.at<u16>(RDX * 8);
    DOPPEL_TRY(check_io(cpu, port, sizeof(T)));
    DOPPEL_TRY(const T value, cpu.load<T>(insn.segment, index_register<A>(cpu, RSI)));
    cpu.environment.write_port(port, static_cast<Width>(sizeof(T)), value);
    cpu.attention = true;
    advance<T, A>(cpu, RSI);
    return {};
  }

  template <class T, class A, Repeat>
  static u64 span(Cpu&, const Instruction&, u64) { return 0; }
};

template <class Op, class T, class A>
Result<void> interpret_once(Cpu& cpu, const Instruction& insn) {
  return Op::template one<T, A>(cpu, insn);
}

template <class Op, class T, class A, Repeat kRepeat>
Result<void> interpret_repeated(Cpu& cpu, const Instruction& insn) {
  CpuState& state = cpu.state;
  u64 count = state.at<A>(RCX * 8);
  // Single-step and data breakpoints trap after every iteration.
  u64 turn = std::min<u64>(count, cpu.needs_slow_mode() ? 1 : kTurnBytes / sizeof(T));
  const bool spans = !backwards(cpu);
  u64 singles = 0;
  while (turn != 0) {
    u64 done = spans && singles == 0 ? Op::template span<T, A, kRepeat>(cpu, insn, turn) : 0;
    if (done == 0) {
      singles = (singles == 0 ? kSinglesPerTry : singles) - 1;
      DOPPEL_TRY((Op::template one<T, A>(cpu, insn)));
      done = 1;
    }
    count -= done;
    turn -= done;
    state.set_at<A>(RCX * 8, static_cast<A>(count));
    if constexpr (Op::kCompares) {
      if (state.flags.zf() != (kRepeat == Repeat::WhileEqual)) return {};
    }
  }
  state.repeating = count != 0;
  if (count != 0) {
    state.rip() -= insn.length;
    cpu.attention = true;
  }
  return {};
}

template <class Op, class T>
Handler select_string(const Instruction& insn) {
  return by_address_size(insn, [&]<class A>() -> Handler {
    if (!insn.has(prefix::kRep) && !insn.has(prefix::kRepne)) return interpret_once<Op, T, A>;
    if constexpr (Op::kCompares) {
      return insn.has(prefix::kRep) ? interpret_repeated<Op, T, A, Repeat::WhileEqual>
                                    : interpret_repeated<Op, T, A, Repeat::WhileNotEqual>;
    } else {
      // Where there is nothing to compare both prefixes mean REP.
      return interpret_repeated<Op, T, A, Repeat::Always>;
    }
  });
}

/// MOVSD and CMPSD: the string forms are one byte, the SSE forms begin with 0F or VEX.
bool is_string_form(const Instruction& insn) {
  const u8 opcode = insn.bytes[insn.opcode_offset];
  return !insn.has(prefix::kVex) && (opcode == 0xa5 || opcode == 0xa7);
}

}  // namespace

Handler select_movsb(const Instruction& insn) { return select_string<Movs, u8>(insn); }
Handler select_movsw(const Instruction& insn) { return select_string<Movs, u16>(insn); }
Handler select_movsd(const Instruction& insn) {
  return is_string_form(insn) ? select_string<Movs, u32>(insn) : select_host_thunk(insn);
}
Handler select_movsq(const Instruction& insn) { return select_string<Movs, u64>(insn); }

Handler select_cmpsb(const Instruction& insn) { return select_string<Cmps, u8>(insn); }
Handler select_cmpsw(const Instruction& insn) { return select_string<Cmps, u16>(insn); }
Handler select_cmpsd(const Instruction& insn) {
  return is_string_form(insn) ? select_string<Cmps, u32>(insn) : select_host_thunk(insn);
}
Handler select_cmpsq(const Instruction& insn) { return select_string<Cmps, u64>(insn); }

Handler select_stosb(const Instruction& insn) { return select_string<Stos, u8>(insn); }
Handler select_stosw(const Instruction& insn) { return select_string<Stos, u16>(insn); }
Handler select_stosd(const Instruction& insn) { return select_string<Stos, u32>(insn); }
Handler select_stosq(const Instruction& insn) { return select_string<Stos, u64>(insn); }

Handler select_lodsb(const Instruction& insn) { return select_string<Lods, u8>(insn); }
Handler select_lodsw(const Instruction& insn) { return select_string<Lods, u16>(insn); }
Handler select_lodsd(const Instruction& insn) { return select_string<Lods, u32>(insn); }
Handler select_lodsq(const Instruction& insn) { return select_string<Lods, u64>(insn); }

Handler select_scasb(const Instruction& insn) { return select_string<Scas, u8>(insn); }
Handler select_scasw(const Instruction& insn) { return select_string<Scas, u16>(insn); }
Handler select_scasd(const Instruction& insn) { return select_string<Scas, u32>(insn); }
Handler select_scasq(const Instruction& insn) { return select_string<Scas, u64>(insn); }

Handler select_insb(const Instruction& insn) { return select_string<Ins, u8>(insn); }
Handler select_insw(const Instruction& insn) { return select_string<Ins, u16>(insn); }
Handler select_insd(const Instruction& insn) { return select_string<Ins, u32>(insn); }

Handler select_outsb(const Instruction& insn) { return select_string<Outs, u8>(insn); }
Handler select_outsw(const Instruction& insn) { return select_string<Outs, u16>(insn); }
Handler select_outsd(const Instruction& insn) { return select_string<Outs, u32>(insn); }

}  // namespace doppel::cpu
