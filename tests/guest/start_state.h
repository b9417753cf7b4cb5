#pragma once

// The state that guest tests start in; include/layout.inc shows it from the program's side.

#include "cpu/cpu.h"
#include "tests/guest/program.h"

namespace doppel::guest {

/// Writes descriptors, TSS, page tables and the program into memory, and puts the processor (just
/// reset) at its first instruction.
void place(const Program& program, cpu::Cpu& cpu);

}  // namespace doppel::guest
