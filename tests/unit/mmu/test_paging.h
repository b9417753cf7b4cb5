#pragma once

// Page tables built by hand, one mapping at a time.

#include "cpu/arch/control.h"
#include "cpu/arch/paging.h"
#include "tests/unit/mmu/test_memory.h"

namespace doppel::mmu {

inline constexpr u64 kAll = pte::P | pte::W | pte::U;

struct TestPaging : TestMemory {
  static constexpr u64 kRoot = 0x10000;

  explicit TestPaging(PagingMode mode_wanted) : mode(mode_wanted) {
    context.cr3 = kRoot;
    context.cr0 = cr0::PE | cr0::PG | cr0::WP;
    if (mode == PagingMode::Bits32) context.cr4 = cr4::PSE;
    if (mode >= PagingMode::Pae) context.cr4 = cr4::PAE;
    if (mode >= PagingMode::Level4) context.efer = efer::LME | efer::LMA;
    if (mode == PagingMode::Level5) context.cr4 |= cr4::LA57;
    if (mode == PagingMode::None) context.cr0 = cr0::PE;
    if (mode != PagingMode::Bits32) context.efer |= efer::NXE;
  }

  unsigned index_bits() const { return mode == PagingMode::Bits32 ? 10 : 9; }
  Width width() const { return mode == PagingMode::Bits32 ? Width::Dword : Width::Qword; }
  unsigned top() const {
    return mode == PagingMode::Bits32   ? 2
           : mode == PagingMode::Pae    ? 3
           : mode == PagingMode::Level4 ? 4
                                        : 5;
  }

  /// Address of the entry for `linear` at `level`, with tables above it that allow everything.
  u64 entry(u64 linear, unsigned level) {
    u64 table = kRoot;
    for (unsigned at = top();; --at) {
      const unsigned shift = kPageShift + (at - 1) * index_bits();
      const u64 slot = table + ((linear >> shift) & ((1u << index_bits()) - 1)) * bytes(width());
      if (at == level) return slot;
      if ((get(slot, width()) & pte::P) == 0) {
        const bool is_pdpte = mode == PagingMode::Pae && at == 3;
        put(slot, next_table | (is_pdpte ? pte::P : kAll), width());
        if (is_pdpte) context.pdpte[(linear >> 30) & 3] = next_table | pte::P;
        next_table += kPageSize;
      }
      table = get(slot, width()) & 0xff'ffff'f000;
    }
  }
  /// Writes the entry for `linear` at `level`; its address.
  u64 map(u64 linear, u64 value, unsigned level = 1) {
    const u64 slot = entry(linear, level);
    put(slot, value, width());
    return slot;
  }

  PagingMode mode;
  PagingContext context;
  u64 next_table = kRoot + kPageSize;
};

}  // namespace doppel::mmu
