#pragma once

// Writes to CR0, CR3 and CR4 with everything that follows from them; MOV CR, LMSW and CLTS use these.

#include "cpu/cpu.h"

namespace doppel::cpu {

/// @errors #GP(0): a combination or transition that the manual forbids; nothing changed then.
Result<void> write_cr0(Cpu& cpu, u64 value);
Result<void> write_cr3(Cpu& cpu, u64 value);
Result<void> write_cr4(Cpu& cpu, u64 value);

}  // namespace doppel::cpu
