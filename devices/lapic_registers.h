#pragma once

#include "cpu/base/types.h"

/// Offsets in the local APIC's page; an x2APIC MSR is 800h plus a sixteenth of it.
/// @source  Intel SDM Vol. 3A, "Local APIC Register Address Map"
namespace doppel::devices::lapic_registers {

inline constexpr u32 kId = 0x020;
inline constexpr u32 kVersion = 0x030;
inline constexpr u32 kTpr = 0x080;
inline constexpr u32 kApr = 0x090;
inline constexpr u32 kPpr = 0x0a0;
inline constexpr u32 kEoi = 0x0b0;
inline constexpr u32 kRrd = 0x0c0;
inline constexpr u32 kLdr = 0x0d0;
inline constexpr u32 kDfr = 0x0e0;
inline constexpr u32 kSvr = 0x0f0;
inline constexpr u32 kIsr = 0x100;
inline constexpr u32 kTmr = 0x180;
inline constexpr u32 kIrr = 0x200;
inline constexpr u32 kEsr = 0x280;
inline constexpr u32 kIcrLow = 0x300;
inline constexpr u32 kIcrHigh = 0x310;
inline constexpr u32 kLvtTimer = 0x320;
inline constexpr u32 kLvtThermal = 0x330;
inline constexpr u32 kLvtPerformance = 0x340;
inline constexpr u32 kLvtLint0 = 0x350;
inline constexpr u32 kLvtLint1 = 0x360;
inline constexpr u32 kLvtError = 0x370;
inline constexpr u32 kInitialCount = 0x380;
inline constexpr u32 kCurrentCount = 0x390;
inline constexpr u32 kDivide = 0x3e0;
inline constexpr u32 kSelfIpi = 0x3f0;  // x2APIC only

/// Version 14h, six LVT entries (no CMCI), no suppression of EOI broadcasts.
inline constexpr u32 kVersionValue = 0x0005'0014;

// LVT entries and the low half of ICR.
inline constexpr u32 kVectorMask = 0xff;
inline constexpr unsigned kModeShift = 8;
inline constexpr u32 kLogical = 1u << 11;
inline constexpr u32 kRemoteIrr = 1u << 14;
inline constexpr u32 kAssert = 1u << 14;
inline constexpr u32 kLevelTriggered = 1u << 15;
inline constexpr u32 kMasked = 1u << 16;
inline constexpr unsigned kTimerModeShift = 17;
inline constexpr unsigned kShorthandShift = 18;

// SVR.
inline constexpr u32 kSoftwareEnable = 1u << 8;

// ESR. @source  "Error Handling"
inline constexpr u32 kSendIllegalVector = 1u << 5;
inline constexpr u32 kReceivedIllegalVector = 1u << 6;
inline constexpr u32 kIllegalRegister = 1u << 7;

// The IA32_APIC_BASE MSR. @source  "Local APIC Status and Location"
inline constexpr u64 kBaseBootstrap = 1u << 8;
inline constexpr u64 kBaseX2apic = 1u << 10;
inline constexpr u64 kBaseEnable = 1u << 11;

}  // namespace doppel::devices::lapic_registers
