// One loop for all paging modes.
//
// The modes differ in how many levels there are, how wide an entry is, and which bits are reserved;
// that is a row of a table (Geometry). The loop reads entries down to the leaf, refusing what is
// absent or malformed on the way, and gathers the rights. Only then the rights are compared with
// the access, all levels together, and only after that accessed and dirty bits are set: a walk that
// faults leaves guest memory as it was.

#include "mmu/page_walker.h"

#include <algorithm>
#include <array>
#include <bit>

#include "cpu/arch/control.h"
#include "cpu/base/bits.h"

namespace doppel::mmu {

namespace {

constexpr u64 kPhysMask = (u64{1} << kMaxPhysBits) - 1;
constexpr u64 kFrameMask = kPhysMask & kPageMask;

/// The shape of a paging mode. @source Intel SDM Vol. 3A, "Properties of Different Paging Modes"
struct Geometry {
  unsigned levels;      // Tables to read.
  unsigned index_bits;  // A table has 2^index_bits entries.
  Width entry;
  unsigned largest_leaf;  // The highest level whose PS bit may be set.
};

// A row for each PagingMode but None. PAE's third level stands in registers.
constexpr auto kGeometries = std::to_array<Geometry>({
    {2, 10, Width::Dword, 2},  // Bits32
    {2, 9, Width::Qword, 2},   // Pae
    {4, 9, Width::Qword, 3},   // Level4
    {5, 9, Width::Qword, 3},   // Level5
});

// "reserved bit 0 set" to "reserved bit 63 set", for reports.
struct ReservedBitNames {
  char text[64][24];
  constexpr ReservedBitNames() : text{} {
    constexpr char kBefore[] = "reserved bit ";
    constexpr char kAfter[] = " set";
    for (unsigned number = 0; number < 64; ++number) {
      char* out = text[number];
      for (const char* c = kBefore; *c != 0; ++c) *out++ = *c;
      if (number >= 10) *out++ = static_cast<char>('0' + number / 10);
      *out++ = static_cast<char>('0' + number % 10);
      for (const char* c = kAfter; *c != 0; ++c) *out++ = *c;
    }
  }
};
constexpr ReservedBitNames kReservedBit;

// Bits that must be zero in every present entry of a mode with 8-byte entries.
// @source Intel SDM Vol. 3A, tables "Format of an Entry" of each paging mode
u64 always_reserved(const PagingContext& context, PagingMode mode) {
  if (mode == PagingMode::Bits32) return 0;
  // 4-level entries ignore bits 62-52 (the key is among them); PAE entries reserve them.
  const u64 high = mode == PagingMode::Pae ? ~u64{0} >> 1 : ~u64{0} >> 12;
  return (high & ~kPhysMask) | ((context.efer & efer::NXE) == 0 ? pte::NX : 0);
}

// The same for an entry above level 1 with PS set. `shift` is the size of what it covers, in bits.
u64 large_reserved(PagingMode mode, unsigned shift, bool is_leaf) {
  // A 4 MiB page keeps PA bits 39-32 in bits 20-13 (PSE-36); bit 21 is beyond MAXPHYADDR.
  if (mode == PagingMode::Bits32) return is_leaf ? u64{1} << 21 : 0;
  if (!is_leaf) return pte::PS;
  // The frame of a large page is aligned; bit 12 is its PAT bit.
  return ((u64{1} << shift) - 1) & ~u64{0x1fff};
}

constexpr u64 kPdpteReserved = 0x1e6 | ~kPhysMask;

u32 access_bits(const PagingContext& context, WalkRequest request) {
  u32 code = request.privilege == Privilege::User ? pf::U : 0;
  if (request.access == Access::Write) code |= pf::W;
  const bool has_nx = (context.cr4 & cr4::PAE) != 0 && (context.efer & efer::NXE) != 0;
  if (request.access == Access::Fetch && (has_nx || (context.cr4 & cr4::SMEP) != 0)) code |= pf::I;
  return code;
}

}  // namespace

bool PageWalker::key_forbids(const PagingContext& context, const Translation& page,
                             WalkRequest request) {
  const bool has_keys = (context.cr4 & cr4::PKE) != 0 && (context.efer & efer::LMA) != 0 &&
                        (context.cr0 & cr0::PG) != 0;
  if (!has_keys || !page.user || request.access == Access::Fetch) return false;
  const u32 rights = context.pkru >> (2 * page.key);
  if ((rights & 1) != 0) return true;  // AD
  const bool obeys_wd = request.privilege == Privilege::User || (context.cr0 & cr0::WP) != 0;
  return request.access == Access::Write && (rights & 2) != 0 && obeys_wd;
}

PageWalker::Refusal PageWalker::refusal(const PagingContext& context, const Translation& page,
                                        WalkRequest request) {
  if ((context.cr0 & cr0::PG) == 0) return Refusal::None;
  const bool by_user = request.privilege == Privilege::User;
  if (by_user && !page.user) return Refusal::NotUser;
  if (request.access == Access::Fetch) {
    if (!by_user && page.user && (context.cr4 & cr4::SMEP) != 0) return Refusal::Smep;
    return page.executable ? Refusal::None : Refusal::NotExecutable;
  }
  if (!by_user && page.user && (context.cr4 & cr4::SMAP) != 0) {
    const bool is_excused = request.privilege == Privilege::Supervisor && request.ac;
    if (!is_excused) return Refusal::Smap;
  }
  if (request.access == Access::Write && !page.writable &&
      (by_user || (context.cr0 & cr0::WP) != 0)) {
    return Refusal::NotWritable;
  }
  return key_forbids(context, page, request) ? Refusal::ProtectionKey : Refusal::None;
}

Result<Translation> PageWalker::walk(const PagingContext& context, LinearAddr address,
                                     WalkRequest request, WalkPath* path) {
  return run<false>(context, address, request, nullptr, path);
}

Result<Translation> PageWalker::explain(const PagingContext& context, LinearAddr address,
                                        WalkRequest request, Steps& steps) {
  steps.clear();
  return run<true>(context, address, request, &steps, nullptr);
}

// Registers are not read for a report: that could change a device.
u64 PageWalker::peek_entry(PhysAddr address, Width width) {
  std::array<u8, 8> raw{};
  memory_.read_bytes(address, std::span(raw).first(bytes(width)));
  return std::bit_cast<u64>(raw);
}

template <bool kExplains>
Result<Translation> PageWalker::run(const PagingContext& context, LinearAddr address,
                                    WalkRequest request, [[maybe_unused]] Steps* steps,
                                    [[maybe_unused]] WalkPath* path) {
  Translation page;
  const PagingMode mode = paging_mode(context);
  if (mode == PagingMode::None) {
    page.page = PhysAddr(address.value & 0xffff'ffff).page();
    page.writable = page.user = page.dirty = true;
    return page;
  }
  const auto fault = [&](u32 code) {
    return Fault::make(Vector::PF, code | access_bits(context, request), address.value);
  };
  const auto note = [&]([[maybe_unused]] const WalkStep& step) {
    if constexpr (kExplains) steps->push_back(step);
  };

  const Geometry& shape = kGeometries[static_cast<size_t>(mode) - 1];
  u64 table = context.cr3 & kFrameMask;
  if (mode == PagingMode::Pae) {
    const u64 pdpte = context.pdpte[bit_field(address.value, 31, 30)];
    const PhysAddr where((context.cr3 & 0xffff'ffe0) + 8 * bit_field(address.value, 31, 30));
    const bool present = (pdpte & pte::P) != 0;
    note({where, pdpte, 3, present ? nullptr : "P=0"});
    if (!present) return fault(0);
    table = pdpte & kFrameMask;
  } else if (mode == PagingMode::Bits32) {
    table &= 0xffff'ffff;
  }

  page.writable = page.user = true;
  struct Used {
    PhysAddr address;
    u64 entry;
  };
  std::array<Used, 5> used;
  unsigned count = 0;
  const u64 reserved = always_reserved(context, mode);
  const bool has_large = mode != PagingMode::Bits32 || (context.cr4 & cr4::PSE) != 0;
  const unsigned largest_leaf = gigabyte_pages_ ? shape.largest_leaf : std::min(shape.largest_leaf, 2u);
  unsigned shift = kPageShift + shape.levels * shape.index_bits;
  u64 leaf = 0;
  for (unsigned level = shape.levels; level > 0; --level) {
    shift -= shape.index_bits;
    const u64 index = (address.value >> shift) & ((u64{1} << shape.index_bits) - 1);
    const PhysAddr where(table + index * bytes(shape.entry));
    const u64 entry = kExplains ? peek_entry(where, shape.entry) : read_entry(where, shape.entry);
    if ((entry & pte::P) == 0) {
      note({where, entry, static_cast<u8>(level), "P=0"});
      return fault(0);
    }
    const bool is_large =
        level > 1 && level <= largest_leaf && has_large && (entry & pte::PS) != 0;
    const bool is_leaf = level == 1 || is_large;
    u64 wrong = entry & reserved;
    if (level > 1 && (entry & pte::PS) != 0) wrong |= entry & large_reserved(mode, shift, is_large);
    if (wrong != 0) [[unlikely]] {
      note({where, entry, static_cast<u8>(level), kReservedBit.text[63 - std::countl_zero(wrong)]});
      return fault(pf::P | pf::RSVD);
    }
    note({where, entry, static_cast<u8>(level), nullptr});
    used[count++] = {where, entry};
    page.writable = page.writable && (entry & pte::W) != 0;
    page.user = page.user && (entry & pte::U) != 0;
    page.executable = page.executable && (entry & pte::NX) == 0;
    if (is_leaf) {
      leaf = entry;
      break;
    }
    table = entry & kFrameMask;
  }

  u64 frame = leaf & kFrameMask;
  if (mode == PagingMode::Bits32 && shift > kPageShift) {
    frame = (leaf & 0xffc0'0000) | (bit_field(leaf, 20, 13) << 32);
  }
  page.page_size = u64{1} << shift;
  page.page =
      PhysAddr(align_down(frame, page.page_size) + (address.value & (page.page_size - 1))).page();
  page.global = (leaf & pte::G) != 0 && (context.cr4 & cr4::PGE) != 0;
  if (mode == PagingMode::Level4 || mode == PagingMode::Level5) {
    page.key = static_cast<u8>(bit_field(leaf, pte::kKeyShift + 3, pte::kKeyShift));
  }

  if (const Refusal why = refusal(context, page, request); why != Refusal::None) {
    if constexpr (kExplains) explain_refusal(why, *steps);
    // The PK bit is set whenever the key forbids, even if something else does too.
    return fault(pf::P | (key_forbids(context, page, request) ? pf::PK : 0));
  }

  page.dirty = (leaf & pte::D) != 0;
  if constexpr (!kExplains) {
    for (unsigned i = 0; i < count; ++i) {
      const bool dirties = i + 1 == count && request.access == Access::Write;
      const u64 bits = pte::A | (dirties ? pte::D : 0);
      if ((used[i].entry & bits) == bits) continue;
      updated_ = memory_.apply_a20(used[i].address);
      is_updating_ = true;
      memory_.set_entry_bits(used[i].address, shape.entry, bits);
      is_updating_ = false;
    }
    if (path != nullptr) {
      path->clear();
      for (unsigned i = 0; i < count; ++i) path->push_back(memory_.apply_a20(used[i].address));
    }
    page.dirty = page.dirty || request.access == Access::Write;
  }
  return page;
}

// Names the first level that lacks the right, or the leaf where the rights are fine but a mode bit
// of the processor is not.
void PageWalker::explain_refusal(Refusal refusal, Steps& steps) {
  const auto blame_first = [&](auto&& lacks_right, const char* reason) {
    for (WalkStep& step : steps) {
      // PAE's registers carry no rights.
      const bool is_pdpte = step.level == 3 && &step == &steps.front();
      if (is_pdpte || !lacks_right(step.entry)) continue;
      step.failure = reason;
      return;
    }
  };
  switch (refusal) {
    case Refusal::None:
      break;
    case Refusal::NotUser:
      blame_first([](u64 entry) { return (entry & pte::U) == 0; }, "U=0");
      break;
    case Refusal::NotWritable:
      blame_first([](u64 entry) { return (entry & pte::W) == 0; }, "W=0");
      break;
    case Refusal::NotExecutable:
      blame_first([](u64 entry) { return (entry & pte::NX) != 0; }, "NX=1");
      break;
    case Refusal::Smep:
      steps.back().failure = "SMEP";
      break;
    case Refusal::Smap:
      steps.back().failure = "SMAP";
      break;
    case Refusal::ProtectionKey:
      steps.back().failure = "protection key";
      break;
  }
}

Result<void> PageWalker::load_pdptes(PagingContext& context) {
  std::array<u64, 4> loaded;
  for (unsigned i = 0; i < 4; ++i) {
    loaded[i] = memory_.read<u64>(PhysAddr((context.cr3 & 0xffff'ffe0) + 8 * i));
    if ((loaded[i] & pte::P) != 0 && (loaded[i] & kPdpteReserved) != 0) return gp();
  }
  for (unsigned i = 0; i < 4; ++i) context.pdpte[i] = loaded[i];
  return {};
}

}  // namespace doppel::mmu
