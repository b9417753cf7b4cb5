#pragma once

#include "cpu/cpu.h"

namespace doppel::cpu {

/// What CPUID answers: `out` is EAX, EBX, ECX, EDX.
void cpuid(const Cpu& cpu, u32 leaf, u32 subleaf, u32 out[4]);

/// MAXPHYADDR of a model: what CPUID says, and what CR3 and MTRRs may hold.
unsigned physical_bits(const CpuModel& model);
/// Widest linear addresses of a model, whatever mode it is in: the canonical form WRMSR asks for.
unsigned linear_bits(const CpuModel& model);
/// The state components that XCR0 may hold.
u64 xcr0_bits(const CpuModel& model);
/// Places and sizes of the components in the standard form of XSAVE's area.
/// @source Intel SDM Vol. 1, "Extended Region of an XSAVE Area"
inline constexpr u32 kXsaveLegacyAndHeader = 576;
inline constexpr u32 kXsaveAvxOffset = 576, kXsaveAvxSize = 256;
inline constexpr u32 kXsavePkruOffset = 2688, kXsavePkruSize = 8;

/// Rate of the time-stamp counter, and of the crystal that leaf 15H names.
inline constexpr u32 kTscHz = 1'000'000'000;

}  // namespace doppel::cpu
