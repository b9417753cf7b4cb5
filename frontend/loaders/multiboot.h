#pragma once

#include <vector>

#include "frontend/loaders/boot_plan.h"

namespace doppel::frontend::loaders {

bool is_multiboot1(const std::vector<u8>& image);
bool is_multiboot2(const std::vector<u8>& image);
/// @errors a reason without the file's name
/// @source The Multiboot Specification 0.6.96
Result<BootPlan, Error> plan_multiboot1(const KernelFiles& files, const BootContext& context);
/// @source Multiboot2 Specification 2.0
Result<BootPlan, Error> plan_multiboot2(const KernelFiles& files, const BootContext& context);

/// Where an image's header says that its parts go (the address fields of both versions).
struct AddressFields {
  u64 header = 0;
  u64 load = 0;
  u64 load_end = 0;  ///< 0: to the end of the file.
  u64 bss_end = 0;   ///< 0: none.
  u64 entry = 0;
};
/// A raw image by its address fields. `header_offset` is where in the file the header stands.
Result<Piece, Error> raw_piece(const std::vector<u8>& image, u64 header_offset,
                               const AddressFields& fields, const MemoryMap& memory);

/// Modules in ascending order from `floor` on, page aligned.
struct PlacedModule {
  u64 start = 0;
  u64 end = 0;
};
Result<std::vector<PlacedModule>, Error> place_modules(const KernelFiles& files,
                                                       const BootContext& context, u64 floor,
                                                       BootPlan& plan);

/// Where the information goes: below 640 KiB, where any kernel can reach it.
inline constexpr u64 kMultibootInfo = 0x10000;
inline constexpr u64 kMultibootInfoEnd = 0x90000;

}  // namespace doppel::frontend::loaders
