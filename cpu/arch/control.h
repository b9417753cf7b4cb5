#pragma once

#include "cpu/base/types.h"

// Control registers. @source Intel SDM Vol. 3A, "Control Registers"; "Extended Feature Enable Register"
namespace doppel {

namespace cr0 {
inline constexpr u64 PE = 1u << 0;
inline constexpr u64 MP = 1u << 1;
inline constexpr u64 EM = 1u << 2;
inline constexpr u64 TS = 1u << 3;
inline constexpr u64 ET = 1u << 4;
inline constexpr u64 NE = 1u << 5;
inline constexpr u64 WP = 1u << 16;
inline constexpr u64 AM = 1u << 18;
inline constexpr u64 NW = 1u << 29;
inline constexpr u64 CD = 1u << 30;
inline constexpr u64 PG = u64{1} << 31;
}  // namespace cr0

namespace cr4 {
inline constexpr u64 VME = 1u << 0;
inline constexpr u64 PVI = 1u << 1;
inline constexpr u64 TSD = 1u << 2;
inline constexpr u64 DE = 1u << 3;
inline constexpr u64 PSE = 1u << 4;
inline constexpr u64 PAE = 1u << 5;
inline constexpr u64 MCE = 1u << 6;
inline constexpr u64 PGE = 1u << 7;
inline constexpr u64 PCE = 1u << 8;
inline constexpr u64 OSFXSR = 1u << 9;
inline constexpr u64 OSXMMEXCPT = 1u << 10;
inline constexpr u64 UMIP = 1u << 11;
inline constexpr u64 LA57 = 1u << 12;
inline constexpr u64 FSGSBASE = 1u << 16;
inline constexpr u64 PCIDE = 1u << 17;
inline constexpr u64 OSXSAVE = 1u << 18;
inline constexpr u64 SMEP = 1u << 20;
inline constexpr u64 SMAP = 1u << 21;
inline constexpr u64 PKE = 1u << 22;
}  // namespace cr4

namespace efer {
inline constexpr u64 SCE = 1u << 0;
inline constexpr u64 LME = 1u << 8;
inline constexpr u64 LMA = 1u << 10;
inline constexpr u64 NXE = 1u << 11;
}  // namespace efer

namespace xcr0 {
inline constexpr u64 X87 = 1u << 0;
inline constexpr u64 SSE = 1u << 1;
inline constexpr u64 AVX = 1u << 2;
inline constexpr u64 PKRU = 1u << 9;
}  // namespace xcr0

/// Debug registers. @source Intel SDM Vol. 3B, "Debug Registers"
namespace dr6 {
inline constexpr u64 BD = 1u << 13;
inline constexpr u64 BS = 1u << 14;
inline constexpr u64 BT = 1u << 15;
inline constexpr u64 kFixedOnes = 0xffff'0ff0;
}  // namespace dr6

namespace dr7 {
inline constexpr u64 GD = 1u << 13;
inline constexpr u64 kFixedOnes = 0x400;
}  // namespace dr7

}  // namespace doppel
