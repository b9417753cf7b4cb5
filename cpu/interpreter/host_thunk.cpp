#include "cpu/interpreter/host_thunk.h"

#include <cpuid.h>
#include <emmintrin.h>

#include <array>
#include <cstring>
#include <memory>
#include <mutex>
#include <type_traits>
#include <unordered_map>

#include "cpu/cpu.h"
#include "cpu/instruction_table.h"
#include "cpu/interpreter/fpu_checks.h"
#include "cpu/interpreter/thunk_arena.h"
#include "cpu/interpreter/thunk_builder.h"
#include "cpu/interpreter/x87_unit.h"

namespace doppel::cpu {
namespace {

/// Thunks by form. Grows to a bounded size; entries never move or change.
class ThunkCache {
 public:
  static ThunkCache& shared() {
    static ThunkCache cache;
    return cache;
  }

  const HostThunk* find(const SimdForm& form, const Instruction& insn) {
    const std::lock_guard lock(mutex_);
    const auto [entry, is_new] = thunks_.try_emplace(form.key());
    if (is_new) entry->second = build(form, insn);
    return entry->second.get();
  }

 private:
  /// Null where the host has no such instruction, or no memory for thunks.
  static std::unique_ptr<HostThunk> build(const SimdForm& form, const Instruction& insn) {
    ThunkCode code;
    auto thunk = std::make_unique<HostThunk>();
    if (!build_thunk(form, insn, code, *thunk)) return nullptr;
    const void* entry = ThunkArena::shared().append(code.bytes());
    if (entry == nullptr) return nullptr;
    thunk->entry = reinterpret_cast<HostThunk::Entry>(reinterpret_cast<u64>(entry));
    return thunk;
  }

  std::mutex mutex_;
  std::unordered_map<u64, std::unique_ptr<HostThunk>> thunks_;
};

/// Which checks an instruction passes and which registers it may touch.
enum class Unit : u8 {
  Mmx,     ///< MMX registers only.
  MmxXmm,  ///< Both kinds.
  Sse,
  Avx,
};

constexpr bool is_mmx(Unit unit) { return unit == Unit::Mmx || unit == Unit::MmxXmm; }

template <Unit kUnit>
Result<void> check_unit(Cpu& cpu) {
  if constexpr (kUnit == Unit::Mmx) {
    return check_mmx(cpu);
  } else if constexpr (kUnit == Unit::MmxXmm) {
    DOPPEL_TRY(check_sse(cpu));
    return check_x87_error(cpu);
  } else if constexpr (kUnit == Unit::Sse) {
    return check_sse(cpu);
  } else {
    return check_avx(cpu);
  }
}

/// Host address of a register operand; meaningless, and not used, for the others.
inline void* operand_address(CpuState& state, const Operand& operand) {
  struct Place {
    u16 offset;
    u8 shift;
  };
  static constexpr auto kPlaces = [] {
    std::array<Place, 16> places{};
    places[static_cast<size_t>(OperandKind::Gpr)] = {offsetof(CpuState, gpr), 0};
    places[static_cast<size_t>(OperandKind::Mmx)] = {
        offsetof(CpuState, x87) + offsetof(X87State, st), 4};
    places[static_cast<size_t>(OperandKind::Xmm)] = {offsetof(CpuState, ymm), 5};
    places[static_cast<size_t>(OperandKind::Ymm)] = {offsetof(CpuState, ymm), 5};
    return places;
  }();
  const Place place = kPlaces[static_cast<size_t>(operand.kind)];
  return reinterpret_cast<u8*>(&state) + place.offset + (size_t{operand.reg} << place.shift);
}

/// Runs the thunk. `bounce` stands for the memory operand.
inline u64 call(Cpu& cpu, const Instruction& insn, const HostThunk& thunk, void* bounce) {
  CpuState& state = cpu.state;
  void* operands[4] = {
      operand_address(state, insn.operand[0]), operand_address(state, insn.operand[1]),
      operand_address(state, insn.operand[2]), operand_address(state, insn.operand[3])};
  if (bounce != nullptr) operands[thunk.memory_operand] = bounce;
  return thunk.entry(operands[0], operands[1], operands[2], operands[3], &state);
}

[[gnu::always_inline]] inline Result<void> finish(Cpu& cpu, const HostThunk& thunk, u64 outcome) {
  if (outcome == ThunkArena::kTrapped) [[unlikely]]
    return simd_fault(cpu);
  if (thunk.writes_flags) cpu.state.flags.set(outcome & rflags::kArithmetic);
  return {};
}

inline const HostThunk& thunk_of(const Instruction& insn) {
  return *static_cast<const HostThunk*>(insn.thunk);
}

template <Unit kUnit>
Result<void> run_registers(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(check_unit<kUnit>(cpu));
  if constexpr (is_mmx(kUnit)) x87_enter_mmx(cpu.state.x87);
  const HostThunk& thunk = thunk_of(insn);
  return finish(cpu, thunk, call(cpu, insn, thunk, nullptr));
}

/// A memory operand of exactly its size, aligned as the host wants it.
template <unsigned kBytes>
struct alignas(kBytes) Bytes {
  u8 bytes[kBytes];
};

/// Types that the compiler carries in a register; bytes that travel in pieces make the instruction
/// behind them wait.
struct Vector128 {
  __m128i value;
};
template <unsigned kBytes>
using Carrier = std::conditional_t<
    kBytes == 1, u8,
    std::conditional_t<
        kBytes == 2, u16,
        std::conditional_t<kBytes == 4, u32, std::conditional_t<kBytes == 8, u64, Vector128>>>>;

template <unsigned kBytes>
[[gnu::always_inline]] inline Result<void> load_operand(Cpu& cpu, const Instruction& insn,
                                                        u64 offset, u8* out) {
  using T = Carrier<kBytes>;
  // Read in pieces, but checked as one: no piece may wrap around the end of its segment.
  if constexpr (kBytes > sizeof(T)) DOPPEL_TRY(cpu.linear(insn.segment, offset, kBytes, Access::Read));
  for (unsigned done = 0; done < kBytes; done += sizeof(T)) {
    DOPPEL_TRY(const T value, cpu.load<T>(insn.segment, offset + done));
    std::memcpy(out + done, &value, sizeof value);
  }
  return {};
}

template <Unit kUnit, unsigned kBytes>
Result<void> run_load(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(check_unit<kUnit>(cpu));
  const HostThunk& thunk = thunk_of(insn);
  const u64 offset = cpu.effective_address(insn);
  if constexpr (kBytes >= 16) {
    if (thunk.alignment_mask != 0) {
      DOPPEL_TRY(check_alignment(cpu, insn, offset, kBytes, Access::Read, thunk.alignment_mask));
    }
  }
  Bytes<kBytes> memory;
  DOPPEL_TRY(load_operand<kBytes>(cpu, insn, offset, memory.bytes));
  if constexpr (is_mmx(kUnit)) x87_enter_mmx(cpu.state.x87);
  return finish(cpu, thunk, call(cpu, insn, thunk, &memory));
}

template <Unit kUnit, unsigned kBytes>
Result<void> run_store(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(check_unit<kUnit>(cpu));
  const HostThunk& thunk = thunk_of(insn);
  const u64 offset = cpu.effective_address(insn);
  if constexpr (kBytes >= 16) {
    if (thunk.alignment_mask != 0) {
      DOPPEL_TRY(check_alignment(cpu, insn, offset, kBytes, Access::Write, thunk.alignment_mask));
    }
  }
  // Where the instruction changes more than memory, the store must not fault any more.
  if (thunk.may_trap || (is_mmx(kUnit) && !x87_in_mmx(cpu.state.x87))) {
    DOPPEL_TRY(probe_store(cpu, insn, offset, kBytes));
  }
  if constexpr (is_mmx(kUnit)) x87_enter_mmx(cpu.state.x87);
  Bytes<kBytes> bounce;
  DOPPEL_TRY(finish(cpu, thunk, call(cpu, insn, thunk, &bounce)));
  return cpu.store(insn.segment, offset, bounce);
}

template <Unit kUnit>
Handler memory_handler(const HostThunk& thunk) {
  const bool store = thunk.writes_memory;
  switch (thunk.memory_bytes) {
    case 1:
      return store ? &run_store<kUnit, 1> : &run_load<kUnit, 1>;
    case 2:
      return store ? &run_store<kUnit, 2> : &run_load<kUnit, 2>;
    case 4:
      return store ? &run_store<kUnit, 4> : &run_load<kUnit, 4>;
    case 8:
      return store ? &run_store<kUnit, 8> : &run_load<kUnit, 8>;
    case 16:
      return store ? &run_store<kUnit, 16> : &run_load<kUnit, 16>;
    case 32:
      return store ? &run_store<kUnit, 32> : &run_load<kUnit, 32>;
    default:
      return interpret_invalid;
  }
}

template <Unit kUnit>
Handler handler_for(const HostThunk& thunk) {
  if (thunk.memory_operand == HostThunk::kNoMemory) return &run_registers<kUnit>;
  return memory_handler<kUnit>(thunk);
}

/// Simplified: CVTPI2PS with a memory operand makes no transition to MMX, as on some processors and
/// as CVTPI2PD on all.
Unit unit_of(const Instruction& insn) {
  if (insn.has(prefix::kVex)) return Unit::Avx;
  bool mmx = false;
  bool xmm = false;
  for (const Operand& operand : insn.operand) {
    mmx = mmx || operand.kind == OperandKind::Mmx;
    xmm = xmm || operand.kind == OperandKind::Xmm;
  }
  if (mmx) return xmm ? Unit::MmxXmm : Unit::Mmx;
  return Unit::Sse;
}

/// Bits of the host's CPUID that features.inc names, and the registers its system saves.
bool host_cpuid(u32 leaf, u32 subleaf, char reg, unsigned bit_index) {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(leaf, subleaf, &eax, &ebx, &ecx, &edx) == 0) return false;
  const unsigned value = reg == 'A' ? eax : reg == 'B' ? ebx : reg == 'C' ? ecx : edx;
  return bit(value, bit_index);
}

}  // namespace

bool host_supports(Feature feature) {
  switch (feature) {
    case Feature::avx:
    case Feature::avx2:
    case Feature::fma:
    case Feature::f16c:
      // Also asks whether the host's system saves YMM registers.
      if (!__builtin_cpu_supports("avx")) return false;
      break;
    case Feature::mmx:
    case Feature::fxsr:
    case Feature::sse:
    case Feature::sse2:
    case Feature::sse3:
    case Feature::ssse3:
    case Feature::sse4_1:
    case Feature::sse4_2:
    case Feature::aes:
    case Feature::pclmulqdq:
      break;
    default:
      return true;
  }
  switch (feature) {
#define FEATURE(name, leaf, subleaf, reg, bit_index) \
  case Feature::name:                                \
    return host_cpuid(leaf, subleaf, #reg[1], bit_index);
#include "cpu/features.inc"
#undef FEATURE
    default:
      return false;
  }
}

Result<void, Error> host_thunks_ready() { return ThunkArena::shared().status(); }

const HostThunk* find_host_thunk(const Instruction& insn) {
  const auto form = SimdForm::of(insn);
  return form ? ThunkCache::shared().find(*form, insn) : nullptr;
}

Handler select_host_thunk(const Instruction& insn) {
  const HostThunk* thunk = find_host_thunk(insn);
  if (thunk == nullptr) return interpret_invalid;
  insn.thunk = thunk;
  switch (unit_of(insn)) {
    case Unit::Mmx:
      return handler_for<Unit::Mmx>(*thunk);
    case Unit::MmxXmm:
      return handler_for<Unit::MmxXmm>(*thunk);
    case Unit::Sse:
      return handler_for<Unit::Sse>(*thunk);
    case Unit::Avx:
      return handler_for<Unit::Avx>(*thunk);
  }
  return interpret_invalid;
}

}  // namespace doppel::cpu
