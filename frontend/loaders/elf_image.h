#pragma once

// ELF files, read with suspicion: any offset, size or count may lie.

#include <optional>
#include <string>
#include <vector>

#include "cpu/base/result.h"
#include "frontend/loaders/boot_plan.h"
#include "frontend/loaders/byte_view.h"

namespace doppel::frontend::loaders {

struct ElfSegment {
  u64 offset = 0;
  u64 physical = 0;
  u64 linear = 0;
  u64 file_bytes = 0;
  u64 memory_bytes = 0;
};

struct ElfImage {
  bool is_64_bit = false;
  u64 entry = 0;
  std::vector<ElfSegment> segments;  ///< PT_LOAD, not empty.
  std::optional<u64> pvh_entry;      ///< From the Xen note PHYS32_ENTRY.
  // Section headers, for boot protocols that pass symbols on.
  u64 section_offset = 0;
  u32 section_count = 0;
  u32 section_bytes = 0;
  u32 section_names = 0;

  /// The physical address of a linear one: in the segment that holds it.
  std::optional<u64> physical_of(u64 linear) const;
  /// End of the highest segment.
  u64 physical_end() const;
};

bool is_elf(const std::vector<u8>& image);
/// @errors a reason without the file's name
Result<ElfImage, Error> parse_elf(const std::vector<u8>& image);
/// The segments as pieces, with zeros behind what the file has.
/// @errors if they lie outside RAM or would take more than it
Result<std::vector<Piece>, Error> elf_pieces(const ElfImage& elf, const std::vector<u8>& image,
                                             const MemoryMap& memory);

/// An image without a boot protocol.
///
/// ELF64: 64-bit code at the entry, the low 4 GiB mapped to themselves, RDI = address of a start
/// information block as PVH describes it (hvm_start_info), RSP at the top of a 16 KiB stack.
/// ELF32: flat 32-bit code, paging off, EBX = the same block.
Result<BootPlan, Error> plan_elf(const KernelFiles& files, const BootContext& context);
/// PVH. @source Xen, docs/misc/pvh.pandoc; xen/include/public/arch-x86/hvm/start_info.h
Result<BootPlan, Error> plan_pvh(const KernelFiles& files, const BootContext& context, u64 entry);

}  // namespace doppel::frontend::loaders
