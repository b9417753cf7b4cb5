#pragma once

// Which accesses of a block one check covers: see jit/block_plan.h.

#include "jit/block_plan.h"

namespace doppel::jit {

/// Puts accesses into groups; their instructions have been planned, one by one.
void find_groups(std::span<const cpu::Instruction> block, Mode mode, BlockPlan& plan);

}  // namespace doppel::jit
