#pragma once

// The register stack of the x87 unit, as CpuState keeps it.
//
// `X87State::st` is ordered from the top of the stack, as FXSAVE writes it; the tags in `ftw` are
// by physical number. So moving TOP moves the registers, and the tags stay.
// @source Intel SDM Vol. 1, "x87 FPU Data Registers"

#include <emmintrin.h>

#include <cstring>

#include "cpu/interpreter/fpu_checks.h"
#include "cpu/state.h"

namespace doppel::cpu {

inline constexpr u16 kFcwInitial = 0x37f;
/// Bits of FCW that exist; bit 6 always reads as one.
inline constexpr u16 kFcwDefined = 0x1f3f;
inline constexpr u16 kFcwFixed = 0x40;

inline unsigned x87_top(const X87State& x87) { return x87.fsw >> fsw::kTopShift & 7; }
inline unsigned x87_physical(const X87State& x87, unsigned i) { return (x87_top(x87) + i) & 7; }
inline bool x87_valid(const X87State& x87, unsigned i) {
  return (x87.ftw >> x87_physical(x87, i) & 1) != 0;
}
inline void x87_set_valid(X87State& x87, unsigned i, bool valid) {
  const u8 tag = static_cast<u8>(1u << x87_physical(x87, i));
  x87.ftw = static_cast<u8>(valid ? x87.ftw | tag : x87.ftw & ~tag);
}

/// Moves TOP without touching tags; registers keep their physical places.
inline void x87_set_top(X87State& x87, unsigned top) {
  const unsigned distance = (top - x87_top(x87)) & 7;
  x87.fsw = static_cast<u16>((x87.fsw & ~fsw::TOP) | top << fsw::kTopShift);
  if (distance == 0) return;
  u8 old[8][16];
  std::memcpy(old, x87.st, sizeof old);
  const size_t moved = 8 - distance;
  std::memcpy(x87.st[0], old[distance], moved * 16);
  std::memcpy(x87.st[moved], old[0], distance * 16);
}

// Registers are written as 16 bytes at once: a load that follows need not wait for pieces.

inline void x87_read(const X87State& x87, unsigned i, u8* out) {
  _mm_store_si128(reinterpret_cast<__m128i*>(out),
                  _mm_load_si128(reinterpret_cast<const __m128i*>(x87.st[i])));
}
/// From the ten bytes of an extended value.
inline void x87_write(X87State& x87, unsigned i, const u8* ten) {
  u64 mantissa;
  u16 exponent;
  std::memcpy(&mantissa, ten, sizeof mantissa);
  std::memcpy(&exponent, ten + 8, sizeof exponent);
  const __m128i value = _mm_set_epi64x(exponent, static_cast<i64>(mantissa));
  _mm_store_si128(reinterpret_cast<__m128i*>(x87.st[i]), value);
}

/// Makes room for a new ST(0), whose content the caller writes.
inline void x87_push(X87State& x87) {
  auto* st = reinterpret_cast<__m128i*>(x87.st);
  for (unsigned i = 7; i > 0; --i) _mm_store_si128(st + i, _mm_load_si128(st + i - 1));
  const unsigned top = (x87_top(x87) - 1) & 7;
  x87.fsw = static_cast<u16>((x87.fsw & ~fsw::TOP) | top << fsw::kTopShift);
  x87.ftw = static_cast<u8>(x87.ftw | 1u << top);
}

inline void x87_pop(X87State& x87) {
  auto* st = reinterpret_cast<__m128i*>(x87.st);
  const __m128i popped = _mm_load_si128(st);
  for (unsigned i = 0; i < 7; ++i) _mm_store_si128(st + i, _mm_load_si128(st + i + 1));
  _mm_store_si128(st + 7, popped);
  const unsigned top = x87_top(x87);
  x87.ftw = static_cast<u8>(x87.ftw & ~(1u << top));
  x87.fsw = static_cast<u16>((x87.fsw & ~fsw::TOP) | ((top + 1) & 7) << fsw::kTopShift);
}

/// ES and B follow from the exception flags and their masks. The FERR# pin follows ES.
inline void x87_update_summary(Cpu& cpu) {
  X87State& x87 = cpu.state.x87;
  const bool before = (x87.fsw & fsw::ES) != 0;
  const bool error = (x87.fsw & ~x87.fcw & fsw::kExceptions) != 0;
  x87.fsw = static_cast<u16>(error ? x87.fsw | fsw::ES | fsw::B : x87.fsw & ~(fsw::ES | fsw::B));
  if (error != before && (cpu.state.cr0 & cr0::NE) == 0) cpu.environment.set_ferr(error);
}

/// The pointers to the last non-control instruction and its operand, for FSTENV and FSAVE.
/// @source Intel SDM Vol. 1, "x87 FPU Instruction and Data (Operand) Pointers"
inline void x87_note_instruction(Cpu& cpu, const Instruction& insn) {
  X87State& x87 = cpu.state.x87;
  const u8* opcode = insn.bytes + insn.opcode_offset;
  x87.fip = cpu.state.rip() - insn.length;
  if (!cpu.code64()) x87.fip &= 0xffff'ffff;
  x87.fcs = cpu.state.segment(Seg::CS).selector;
  x87.fop = static_cast<u16>((opcode[0] & 7) << 8 | opcode[1]);
  if (opcode[1] < 0xc0) {
    x87.fdp = cpu.effective_address(insn);
    x87.fds = cpu.state.segment(insn.segment).selector;
  }
}

/// What FINIT leaves. Registers keep their content, all empty.
inline void x87_initialize(Cpu& cpu) {
  X87State& x87 = cpu.state.x87;
  x87_set_top(x87, 0);
  x87.fcw = kFcwInitial;
  x87.fsw &= fsw::ES;
  x87.ftw = 0;
  x87.fop = 0;
  x87.fip = x87.fdp = 0;
  x87.fcs = x87.fds = 0;
  x87_update_summary(cpu);
}

/// MMX instructions see physical registers: TOP becomes 0 and all registers valid.
/// @source Intel SDM Vol. 1, "MMX Instructions and the x87 FPU Tag Word"
inline void x87_enter_mmx(X87State& x87) {
  x87_set_top(x87, 0);
  x87.ftw = 0xff;
}
inline bool x87_in_mmx(const X87State& x87) { return (x87.fsw & fsw::TOP) == 0 && x87.ftw == 0xff; }

}  // namespace doppel::cpu
