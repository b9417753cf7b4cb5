#pragma once

#include "frontend/loaders/boot_plan.h"

namespace doppel::frontend::loaders {

/// Places modules, command line, memory map and the hvm_start_info that points at them, as high in
/// memory as they go but above `floor`. The address of the block.
Result<u64, Error> add_start_info(const KernelFiles& files, const BootContext& context, u64 floor,
                                  BootPlan& plan);

}  // namespace doppel::frontend::loaders
