#pragma once

#include "frontend/loaders/boot_plan.h"
#include "frontend/options.h"

namespace doppel::frontend::loaders {

/// Looks like a kernel for the Linux boot protocol: boot sector magic, and "HdrS" or an old zImage.
bool is_linux(const std::vector<u8>& image);
/// @errors a reason without the file's name
/// @source Linux, Documentation/arch/x86/boot.rst and zero-page.rst
Result<BootPlan, Error> plan_linux(const KernelFiles& files, const BootContext& context,
                                   Options::LinuxEntry entry);

}  // namespace doppel::frontend::loaders
