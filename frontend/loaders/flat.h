#pragma once

#include "frontend/loaders/boot_plan.h"

namespace doppel::frontend::loaders {

/// 512 bytes or more (a disk image, whole sectors) with 55 AA at the end of the first sector.
bool is_boot_sector(const std::vector<u8>& image);
/// 0:7C00 with DL = 80h; only the first sector is loaded, as firmware would.
/// Simplified: there is no firmware behind it; INT 10h, 12h and 15h have the few services of
/// real_mode_services.h, and every other call fails.
Result<BootPlan, Error> plan_boot_sector(const KernelFiles& files, const BootContext& context);
/// Starts at an address: below 1 MiB in real mode, above in flat 32-bit mode.
Entry entry_at(u64 address);

}  // namespace doppel::frontend::loaders
