#pragma once

#include "cpu/cpu.h"
#include "frontend/loaders/boot_plan.h"

namespace doppel::frontend::loaders {

/// Puts a processor that was just reset into the state a boot protocol asks for.
void apply_entry(const Entry& entry, cpu::Cpu& cpu);

}  // namespace doppel::frontend::loaders
