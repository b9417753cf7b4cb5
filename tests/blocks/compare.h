#pragma once

// Whether two processors are in the same state, and if not, where they differ.

#include <string>
#include <vector>

#include "cpu/state.h"
#include "tests/blocks/machine.h"

namespace doppel::blocks {

/// A part of the state that is not compared, with the reason.
struct Exclusion {
  const char* field;
  const char* reason;
};
/// All of them; everything else in CpuState must be equal to the bit.
const std::vector<Exclusion>& exclusions();

bool equal(const cpu::CpuState& a, const cpu::CpuState& b);
/// "rax: interp 0x1, jit 0x2"; empty if there is no difference.
std::vector<std::string> differences(const cpu::CpuState& a, const cpu::CpuState& b, const std::string& name);
/// The same for the memory a block may have touched; at most `limit` lines.
std::vector<std::string> memory_differences(BlockMachine& a, BlockMachine& b, const BlockCase& block, const std::string& name,
                                            size_t limit = 8);
/// Registers, flags and what else is not as the processor starts, a few to a line.
std::string describe(const cpu::CpuState& state);
std::string describe(const StartState& state);

}  // namespace doppel::blocks
