#pragma once

// The 512 bytes that FXSAVE writes and XSAVE areas begin with.
//
//     0  FCW  FSW  FTW  -  FOP  FIP (FCS)     16  FDP (FDS)  MXCSR  MXCSR_MASK
//    32  ST(0) ... ST(7), 16 bytes each
//   160  XMM0 ... XMM15; outside 64-bit code XMM0 ... XMM7
//
// The forms with REX.W hold 64-bit pointers, the others 32-bit pointers with selectors.
// @source Intel SDM Vol. 1, "FXSAVE Area"; Vol. 2A, "FXSAVE"

#include "cpu/cpu.h"
#include "cpu/interpreter/x87_unit.h"

namespace doppel::cpu {

namespace fpu_image {
inline constexpr size_t kMxcsr = 24;
inline constexpr size_t kMxcsrBytes = 8;  // MXCSR and MXCSR_MASK.
inline constexpr size_t kSt = 32;
inline constexpr size_t kXmm = 160;
inline constexpr size_t kBytes = 512;
}  // namespace fpu_image

inline constexpr u32 kMxcsrInitial = 0x1f80;
inline constexpr u32 kMxcsrDefined = 0xffff;

/// Vector registers that code of the present mode can name.
inline unsigned vector_registers(const Cpu& cpu) { return cpu.code64() ? 16 : 8; }

/// Bytes 0-23 and 32-159.
void write_x87_image(const X87State& x87, bool wide, u8* area);
/// Bytes 24-31.
void write_mxcsr_image(const X87State& x87, u8* area);
void write_xmm_image(const CpuState& state, unsigned registers, u8* area);

void read_x87_image(Cpu& cpu, bool wide, const u8* area);
void read_xmm_image(CpuState& state, unsigned registers, const u8* area);
inline u32 mxcsr_of_image(const u8* area) {
  u32 value;
  std::memcpy(&value, area + fpu_image::kMxcsr, sizeof value);
  return value;
}

}  // namespace doppel::cpu
