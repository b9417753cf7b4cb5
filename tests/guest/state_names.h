#pragma once

// The words that expectations use for parts of a processor's state.

#include <optional>
#include <string_view>

#include "cpu/state.h"

namespace doppel::guest {

struct StateField {
  u64 value = 0;
  unsigned width_bits = 64;
};
/// "rax", "eax", "cs", "cs.base", "cr0", "xmm3.high", ...
std::optional<StateField> state_field(const cpu::CpuState& state, std::string_view name);
/// "ZF", "IOPL" (both bits), "IOPL1"
std::optional<u64> flag_by_name(std::string_view name);
/// "#GP"
std::optional<u64> vector_by_name(std::string_view name);

}  // namespace doppel::guest
