// Vector loads and stores that touch only some of their elements.
//
// An element that the mask leaves out is not accessed: it cannot fault. Stores look at all their
// elements before they write the first. Gathers are the one kind that may stop half way: what has
// been gathered stays, its mask bits are cleared, and the instruction starts again where it was.
// @source Intel SDM Vol. 2, "MASKMOVDQU", "VMASKMOV", "VPMASKMOV", "VGATHERDPS", "VPGATHERDD"

#include <cstring>

#include <Zydis/Zydis.h>

#include "cpu/instruction_table.h"
#include "cpu/interpreter/fpu_checks.h"
#include "cpu/interpreter/x87_unit.h"

namespace doppel::cpu {
namespace {

constexpr unsigned kLargest = 32;

/// Which bytes of a vector are accessed; bit n is byte n.
using ByteMask = u32;

/// Calls `access(first, size)` for each run of set bits.
template <class Access>
Result<void> for_each_run(ByteMask mask, Access access) {
  for (unsigned i = 0; i < kLargest;) {
    if ((mask >> i & 1) == 0) {
      ++i;
      continue;
    }
    unsigned end = i;
    while (end < kLargest && (mask >> end & 1) != 0) ++end;
    DOPPEL_TRY(access(i, end - i));
    i = end;
  }
  return {};
}

Result<void> masked_store(Cpu& cpu, const Instruction& insn, u64 offset, const u8* bytes,
                          ByteMask mask) {
  const auto at = [&](unsigned first) { return offset + first; };
  DOPPEL_TRY(for_each_run(mask, [&](unsigned first, unsigned size) {
    return probe_store(cpu, insn, at(first), size);
  }));
  return for_each_run(mask, [&](unsigned first, unsigned size) {
    return cpu.store_bytes(insn.segment, at(first), bytes + first, size);
  });
}

Result<void> masked_load(Cpu& cpu, const Instruction& insn, u64 offset, u8* bytes, ByteMask mask) {
  return for_each_run(mask, [&](unsigned first, unsigned size) {
    return cpu.load_bytes(insn.segment, offset + first, bytes + first, size);
  });
}

/// Top bits of `count` elements of `size` bytes, widened to their bytes.
ByteMask element_mask(const u8* mask, unsigned size, unsigned count) {
  ByteMask result = 0;
  for (unsigned i = 0; i < count; ++i) {
    if ((mask[(i + 1) * size - 1] & 0x80) == 0) continue;
    result |= ((ByteMask{1} << size) - 1) << (i * size);
  }
  return result;
}

/// MOVNTI stands among the SSE2 instructions but needs none of their registers: a plain store.
Result<void> interpret_movnti(Cpu& cpu, const Instruction& insn) {
  const u8 source = insn.operand[1].reg;
  if (insn.operand[0].bytes == 8) return cpu.store_operand<u64>(insn, cpu.state.at<u64>(source));
  return cpu.store_operand<u32>(insn, cpu.state.at<u32>(source));
}

// ---- MASKMOVQ, MASKMOVDQU
// ------------------------------------------------------------------------

u64 implied_address(const Cpu& cpu, const Instruction& insn) {
  return cpu.state.gpr[RDI] & insn.address_mask;
}

Result<void> interpret_maskmovdqu(Cpu& cpu, const Instruction& insn) {
  if (insn.has(prefix::kVex)) {
    DOPPEL_TRY(check_avx(cpu));
  } else {
    DOPPEL_TRY(check_sse(cpu));
  }
  const u8* source = cpu.state.ymm[insn.operand[0].reg];
  const ByteMask mask = element_mask(cpu.state.ymm[insn.operand[1].reg], 1, 16);
  return masked_store(cpu, insn, implied_address(cpu, insn), source, mask);
}

Result<void> interpret_maskmovq(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(check_mmx(cpu));
  X87State& x87 = cpu.state.x87;
  const auto mm = [&](unsigned i) { return x87.st[(insn.operand[i].reg - x87_top(x87)) & 7]; };
  DOPPEL_TRY(masked_store(cpu, insn, implied_address(cpu, insn), mm(0), element_mask(mm(1), 1, 8)));
  x87_enter_mmx(x87);
  return {};
}

// ---- VMASKMOVPS/PD, VPMASKMOVD/Q
// -----------------------------------------------------------------

template <unsigned kElement>
Result<void> interpret_vmaskmov_load(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(check_avx(cpu));
  const unsigned bytes = insn.has(prefix::kVexL) ? 32 : 16;
  const ByteMask mask =
      element_mask(cpu.state.ymm[insn.operand[1].reg], kElement, bytes / kElement);
  u8 result[kLargest] = {};
  DOPPEL_TRY(masked_load(cpu, insn, cpu.effective_address(insn), result, mask));
  std::memcpy(cpu.state.ymm[insn.operand[0].reg], result, sizeof result);
  return {};
}

template <unsigned kElement>
Result<void> interpret_vmaskmov_store(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(check_avx(cpu));
  const unsigned bytes = insn.has(prefix::kVexL) ? 32 : 16;
  const ByteMask mask =
      element_mask(cpu.state.ymm[insn.operand[1].reg], kElement, bytes / kElement);
  return masked_store(cpu, insn, cpu.effective_address(insn), cpu.state.ymm[insn.operand[2].reg],
                      mask);
}

// ---- gathers
// -------------------------------------------------------------------------------------

template <class Index>
u64 index_at(const u8* indexes, unsigned i) {
  Index index;
  std::memcpy(&index, indexes + i * sizeof index, sizeof index);
  return static_cast<u64>(static_cast<i64>(index));
}

/// @param Index    i32 or i64, of the vector of indexes.
/// @param Element  u32 or u64, of destination and mask.
template <class Index, class Element>
Result<void> interpret_gather(Cpu& cpu, const Instruction& insn) {
  DOPPEL_TRY(check_avx(cpu));
  constexpr unsigned kSize = sizeof(Element);
  constexpr unsigned kWidest = sizeof(Index) > kSize ? sizeof(Index) : kSize;
  const unsigned count = (insn.has(prefix::kVexL) ? 32 : 16) / kWidest;
  CpuState& state = cpu.state;
  u8* destination = state.ymm[insn.operand[0].reg];
  u8* mask = state.ymm[insn.operand[2].reg];
  const u8* indexes = state.ymm[insn.index];
  const u64 base = state.at<u64>(insn.base) + insn.displacement;

  // The mask becomes all ones or all zeros for each element first: a fault shows it so.
  for (unsigned i = 0; i < count; ++i) {
    const bool wanted = (mask[(i + 1) * kSize - 1] & 0x80) != 0;
    std::memset(mask + i * kSize, wanted ? 0xff : 0, kSize);
  }
  for (unsigned i = 0; i < count; ++i) {
    if (mask[i * kSize] == 0) continue;
    const u64 offset = (base + (index_at<Index>(indexes, i) << insn.scale)) & insn.address_mask;
    DOPPEL_TRY(const Element value, cpu.load<Element>(insn.segment, offset));
    std::memcpy(destination + i * kSize, &value, kSize);
    std::memset(mask + i * kSize, 0, kSize);
  }
  const unsigned written = count * kSize;
  std::memset(destination + written, 0, kLargest - written);
  std::memset(mask, 0, kLargest);
  return {};
}

}  // namespace

Handler select_movnti(const Instruction&) { return interpret_movnti; }
Handler select_maskmovdqu(const Instruction&) { return interpret_maskmovdqu; }
Handler select_maskmovq(const Instruction&) { return interpret_maskmovq; }

Handler select_vmaskmov(const Instruction& insn) {
  const bool store = insn.operand[0].kind == OperandKind::Memory;
  const bool wide =
      insn.mnemonic == ZYDIS_MNEMONIC_VMASKMOVPD || insn.mnemonic == ZYDIS_MNEMONIC_VPMASKMOVQ;
  if (wide) return store ? interpret_vmaskmov_store<8> : interpret_vmaskmov_load<8>;
  return store ? interpret_vmaskmov_store<4> : interpret_vmaskmov_load<4>;
}

Handler select_gather(const Instruction& insn) {
  const u8 destination = insn.operand[0].reg;
  const u8 mask = insn.operand[2].reg;
  if (destination == mask || destination == insn.index || mask == insn.index)
    return interpret_invalid;
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_VGATHERDPS:
    case ZYDIS_MNEMONIC_VPGATHERDD:
      return interpret_gather<i32, u32>;
    case ZYDIS_MNEMONIC_VGATHERDPD:
    case ZYDIS_MNEMONIC_VPGATHERDQ:
      return interpret_gather<i32, u64>;
    case ZYDIS_MNEMONIC_VGATHERQPS:
    case ZYDIS_MNEMONIC_VPGATHERQD:
      return interpret_gather<i64, u32>;
    case ZYDIS_MNEMONIC_VGATHERQPD:
    case ZYDIS_MNEMONIC_VPGATHERQQ:
      return interpret_gather<i64, u64>;
    default:
      return interpret_invalid;
  }
}

}  // namespace doppel::cpu
