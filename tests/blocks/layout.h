#pragma once

// Where things stand in the machines that random blocks run on.
//
//   linear (paged modes)   physical
//   kCode                  a set of four frames, another set for each case:
//     +0000 main page        0     +1000 second page        1
//     +2000 other page       2     +3000 main page again    0     (3 stands in for 2 after a remap)
//   kData                  kDataFrames
//     +0000 writable x3      0-2   +3000 read-only          3
//     +4000 absent                 +5000 supervisor         5
//     +6000 absent                 +7000 remapped           7, or 8
//   kStack                 kStackFrames: two writable pages, nothing around them
//   kSystem                0: tables, handlers, the kernel's stacks; supervisor
//
// In real and virtual-8086 mode linear and physical addresses of data, stack and code are the same.

#include "cpu/base/address.h"
#include "cpu/base/types.h"

namespace doppel::blocks {

inline constexpr u64 kCode = 0x1000'0000;
inline constexpr u64 kData = 0x2000'0000;
inline constexpr u64 kStack = 0x3000'0000;
inline constexpr u64 kSystem = 0x8000'0000;

inline constexpr u64 kDataFrames = 0x2'0000;
inline constexpr unsigned kDataFrameCount = 9;
inline constexpr u64 kStackFrames = 0x3'0000;
inline constexpr unsigned kStackFrameCount = 2;

/// Offsets of pages from kCode and kData.
inline constexpr u64 kSecondPage = 0x1000;
inline constexpr u64 kOtherPage = 0x2000;
inline constexpr u64 kAliasPage = 0x3000;
inline constexpr u64 kReadOnlyPage = 0x3000;
inline constexpr u64 kSupervisorPage = 0x5000;
inline constexpr u64 kRemappedPage = 0x7000;
inline constexpr u64 kWritableBytes = 0x3000;

// Code frames. An engine that sees the same page change again and again stops translating it, so a
// case gets frames that no case before it had.
inline constexpr unsigned kSetFrames = 4;
inline constexpr u64 kHighSets = 0x10'0000;
inline constexpr unsigned kHighSetCount = 512;
inline constexpr u64 kLowSets = 0x4'0000;  // For real and virtual-8086 mode.
inline constexpr unsigned kLowSetCount = 24;
inline constexpr u64 kRamBytes = u64{12} << 20;
/// What real-mode code can reach.
inline constexpr u64 kRealModeEnd = 0x11'0000;

// System structures, as physical addresses and as offsets from kSystem.
inline constexpr u64 kRealHandlers = 0x600;  // Beside the interrupt vector table.
inline constexpr u64 kIdt64 = 0x1000;
inline constexpr u64 kIdt32 = 0x2000;
inline constexpr u64 kGdt = 0x2800;
inline constexpr u16 kGdtLimit = 40 * 8 - 1;
inline constexpr u64 kTss64 = 0x2b00;
inline constexpr u64 kTss32 = 0x2c00;
inline constexpr u64 kHandlers = 0x2d00;
inline constexpr u64 kPseudoDescriptors = 0x2e00;  // For LGDT and LIDT with what is loaded already.
inline constexpr u64 kKernelStackEnd = 0x4000;
inline constexpr u64 kIstStackEnd = 0x5000;
inline constexpr u64 kPageTables = 0x5000;
inline constexpr u64 kSystemEnd = 0x2'0000;

// Offsets of the handlers from kHandlers and kRealHandlers.
inline constexpr u64 kHaltHandler = 0x00;
inline constexpr u64 kReturnHandler64 = 0x10;
inline constexpr u64 kReturnHandler32 = 0x20;

/// Descriptors; each exists for privilege 0 and 3.
enum Segments : u16 {
  kCode64, kFlat, kCode32, kCode32Based, kCode16, kData16, kStack16, kAlias16, kOffset32, kShort32,
  kDown32, kReadOnly, kShort16, kDown16, kAbsent, kSegmentCount
};

constexpr u16 selector_of(Segments segment, unsigned privilege) {
  return static_cast<u16>((1 + segment + (privilege == 3 ? kSegmentCount : 0)) << 3 | privilege);
}
inline constexpr u16 kTss64Selector = (1 + 2 * kSegmentCount) << 3;
inline constexpr u16 kTss32Selector = kTss64Selector + 16;

// How far below the data and the stack 16-bit segments begin.
inline constexpr u64 kData16Slack = 0x3000;
inline constexpr u64 kStack16Slack = 0x8000;

/// The mode a block runs in.
enum class Setting : u8 {
  Long64User, Long64Kernel, Compat32User, Compat32Kernel, Compat16User,
  Legacy32User, Legacy32Kernel, Protected16User, Protected16Kernel, V86, Real,
};
inline constexpr unsigned kSettingCount = 11;

constexpr bool is_long(Setting s) { return s <= Setting::Compat16User; }
constexpr bool is_low(Setting s) { return s == Setting::V86 || s == Setting::Real; }
constexpr bool is_kernel(Setting s) {
  return s == Setting::Long64Kernel || s == Setting::Compat32Kernel || s == Setting::Legacy32Kernel ||
         s == Setting::Protected16Kernel || s == Setting::Real;
}
constexpr const char* name_of(Setting s) {
  constexpr const char* kNames[] = {"64-bit, user", "64-bit, kernel", "compatibility 32-bit, user",
                                    "compatibility 32-bit, kernel", "compatibility 16-bit, user",
                                    "32-bit, user", "32-bit, kernel", "16-bit protected, user",
                                    "16-bit protected, kernel", "virtual-8086", "real"};
  return kNames[static_cast<unsigned>(s)];
}

}  // namespace doppel::blocks
