#pragma once

#include "cpu/base/types.h"

// Page-table entries and what selects the way they are walked.
// @source Intel SDM Vol. 3A, "Paging"
namespace doppel {

namespace pte {
inline constexpr u64 P = 1u << 0;
inline constexpr u64 W = 1u << 1;
inline constexpr u64 U = 1u << 2;
inline constexpr u64 PWT = 1u << 3;
inline constexpr u64 PCD = 1u << 4;
inline constexpr u64 A = 1u << 5;
inline constexpr u64 D = 1u << 6;
inline constexpr u64 PS = 1u << 7;
inline constexpr u64 G = 1u << 8;
inline constexpr u64 NX = u64{1} << 63;
inline constexpr unsigned kKeyShift = 59;  // protection key, bits 62-59
}  // namespace pte

enum class PagingMode : u8 { None, Bits32, Pae, Level4, Level5 };

/// Guest-physical addresses doppel offers: MAXPHYADDR in CPUID leaf 80000008h.
inline constexpr unsigned kMaxPhysBits = 40;

enum class Access : u8 { Read, Write, Fetch };

/// Who asks. Implicit accesses (descriptor tables, TSS) are the processor's own: supervisor
/// whatever CPL is, and not excused from SMAP by RFLAGS.AC.
enum class Privilege : u8 { Supervisor, User, Implicit };

/// Everything outside memory that decides what a linear address means.
struct PagingContext {
  u64 cr0 = 0;
  u64 cr3 = 0;
  u64 cr4 = 0;
  u64 efer = 0;
  u32 pkru = 0;
  /// PAE only: the four registers loaded from CR3's table when CR3 or the mode was written.
  u64 pdpte[4] = {};
};

constexpr PagingMode paging_mode(const PagingContext& context) {
  if ((context.cr0 & (u64{1} << 31)) == 0) return PagingMode::None;
  if ((context.cr4 & (1u << 5)) == 0) return PagingMode::Bits32;
  if ((context.efer & (1u << 10)) == 0) return PagingMode::Pae;
  return (context.cr4 & (1u << 12)) != 0 ? PagingMode::Level5 : PagingMode::Level4;
}

}  // namespace doppel
