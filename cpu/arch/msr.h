#pragma once

#include "cpu/base/types.h"

/// Model-specific registers. @source Intel SDM Vol. 4
namespace doppel::msr {

inline constexpr u32 TSC = 0x10;
inline constexpr u32 APIC_BASE = 0x1b;
inline constexpr u32 FEATURE_CONTROL = 0x3a;
inline constexpr u32 TSC_ADJUST = 0x3b;
inline constexpr u32 BIOS_SIGN_ID = 0x8b;
inline constexpr u32 MTRRCAP = 0xfe;
inline constexpr u32 SYSENTER_CS = 0x174;
inline constexpr u32 SYSENTER_ESP = 0x175;
inline constexpr u32 SYSENTER_EIP = 0x176;
inline constexpr u32 MCG_CAP = 0x179;
inline constexpr u32 MCG_STATUS = 0x17a;
inline constexpr u32 MISC_ENABLE = 0x1a0;
inline constexpr u32 DEBUGCTL = 0x1d9;
inline constexpr u32 MTRR_PHYSBASE0 = 0x200;
inline constexpr u32 MTRR_FIX64K_00000 = 0x250;
inline constexpr u32 MTRR_FIX16K_80000 = 0x258;
inline constexpr u32 MTRR_FIX16K_A0000 = 0x259;
inline constexpr u32 MTRR_FIX4K_C0000 = 0x268;
inline constexpr u32 PAT = 0x277;
inline constexpr u32 MTRR_DEF_TYPE = 0x2ff;
inline constexpr u32 TSC_DEADLINE = 0x6e0;
inline constexpr u32 X2APIC_FIRST = 0x800;
inline constexpr u32 X2APIC_LAST = 0x8ff;
inline constexpr u32 EFER = 0xc000'0080;
inline constexpr u32 STAR = 0xc000'0081;
inline constexpr u32 LSTAR = 0xc000'0082;
inline constexpr u32 CSTAR = 0xc000'0083;
inline constexpr u32 SFMASK = 0xc000'0084;
inline constexpr u32 FS_BASE = 0xc000'0100;
inline constexpr u32 GS_BASE = 0xc000'0101;
inline constexpr u32 KERNEL_GS_BASE = 0xc000'0102;
inline constexpr u32 TSC_AUX = 0xc000'0103;

}  // namespace doppel::msr
