#pragma once

// What the processor looks at before it starts an x87, MMX, SSE or AVX instruction.
// @source Intel SDM Vol. 2A, "Exception Classification"; Vol. 3A, "x87 FPU Exceptions", "System
//         Programming for Instruction Set Extensions"

#include "cpu/cpu.h"

namespace doppel::cpu {

/// Bits of the x87 status and control words. @source Intel SDM Vol. 1, "x87 FPU Status Register"
namespace fsw {
inline constexpr u16 IE = 1u << 0;
inline constexpr u16 DE = 1u << 1;
inline constexpr u16 ZE = 1u << 2;
inline constexpr u16 OE = 1u << 3;
inline constexpr u16 UE = 1u << 4;
inline constexpr u16 PE = 1u << 5;
inline constexpr u16 SF = 1u << 6;
inline constexpr u16 ES = 1u << 7;
inline constexpr u16 C0 = 1u << 8;
inline constexpr u16 C1 = 1u << 9;
inline constexpr u16 C2 = 1u << 10;
inline constexpr u16 TOP = 7u << 11;
inline constexpr unsigned kTopShift = 11;
inline constexpr u16 C3 = 1u << 14;
inline constexpr u16 B = 1u << 15;
inline constexpr u16 kExceptions = IE | DE | ZE | OE | UE | PE;
inline constexpr u16 kConditions = C0 | C1 | C2 | C3;
}  // namespace fsw

/// #NM as x87 instructions raise it; `mask` is EM|TS, or MP-dependent for FWAIT.
inline Result<void> check_x87_available(const Cpu& cpu) {
  if ((cpu.state.cr0 & (cr0::EM | cr0::TS)) != 0) [[unlikely]]
    return Fault::make(Vector::NM);
  return {};
}

/// An unmasked x87 error left by an earlier instruction: #MF, or FERR# where CR0.NE is clear.
/// Simplified: with FERR# the instruction goes on, as with IGNNE# active; the interrupt was already
/// requested when the error arose.
inline Result<void> check_x87_error(Cpu& cpu) {
  if ((cpu.state.x87.fsw & fsw::ES) == 0) [[likely]]
    return {};
  if ((cpu.state.cr0 & cr0::NE) != 0) return Fault::make(Vector::MF);
  cpu.environment.set_ferr(true);
  return {};
}

/// A waiting x87 instruction.
inline Result<void> check_x87(Cpu& cpu) {
  DOPPEL_TRY(check_x87_available(cpu));
  return check_x87_error(cpu);
}

inline Result<void> check_mmx(Cpu& cpu) {
  if ((cpu.state.cr0 & (cr0::EM | cr0::TS)) != 0) [[unlikely]] {
    return (cpu.state.cr0 & cr0::EM) != 0 ? ud() : Fault::make(Vector::NM);
  }
  return check_x87_error(cpu);
}

inline Result<void> check_sse(const Cpu& cpu) {
  const CpuState& state = cpu.state;
  if ((state.cr0 & (cr0::EM | cr0::TS)) == 0 && (state.cr4 & cr4::OSFXSR) != 0) [[likely]]
    return {};
  if ((state.cr0 & cr0::EM) != 0 || (state.cr4 & cr4::OSFXSR) == 0) return ud();
  return Fault::make(Vector::NM);
}

/// VEX encodings: they exist in protected mode only, and do not heed CR0.EM.
inline Result<void> check_avx(const Cpu& cpu) {
  const CpuState& state = cpu.state;
  constexpr u64 kBoth = xcr0::SSE | xcr0::AVX;
  if ((state.cr4 & cr4::OSXSAVE) == 0 || (state.xcr0 & kBoth) != kBoth || state.real_or_v86())
      [[unlikely]] {
    return ud();
  }
  if ((state.cr0 & cr0::TS) != 0) [[unlikely]]
    return Fault::make(Vector::NM);
  return {};
}

/// An unmasked SIMD exception: MXCSR already tells which.
inline Fault simd_fault(const Cpu& cpu) {
  return (cpu.state.cr4 & cr4::OSXMMEXCPT) != 0 ? Fault::make(Vector::XM) : ud();
}

/// #GP(0) where a memory operand that must be aligned is not; segment checks come first.
inline Result<void> check_alignment(Cpu& cpu, const Instruction& insn, u64 offset, size_t size,
                                    Access access, u64 mask) {
  DOPPEL_TRY(const LinearAddr address, cpu.linear(insn.segment, offset, size, access));
  if ((address.value & mask) != 0) [[unlikely]]
    return gp();
  return {};
}

/// Would a store to these bytes succeed?
inline Result<void> probe_store(Cpu& cpu, const Instruction& insn, u64 offset, size_t size) {
  DOPPEL_TRY(const LinearAddr address, cpu.linear(insn.segment, offset, size, Access::Write));
  const Result<void> result = cpu.mmu.probe(address, size, Access::Write);
  if (!result.ok()) [[unlikely]]
    return Cpu::data_fault(insn.segment, result.error());
  return {};
}

}  // namespace doppel::cpu
