#pragma once

#include <string>

#include "cpu/state.h"

namespace doppel::frontend {

/// The registers in the form of `-d cpu` and `info registers`: 64-bit names in long mode, 32-bit
/// ones elsewhere.
std::string dump_registers(const cpu::CpuState& state, bool a20);
/// x87 and vector registers.
std::string dump_float_registers(const cpu::CpuState& state);
/// "real", "virtual-8086", "protected 16-bit", "protected 32-bit", "compatibility", "64-bit".
const char* mode_name(const cpu::CpuState& state);

}  // namespace doppel::frontend
