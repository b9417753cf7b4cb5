#pragma once

// `-kernel` together with `-bios`: Linux started by firmware.
//
// Firmware sets the machine up and then boots from an option ROM of ours (linuxboot_rom.S), which
// fetches the kernel through fw_cfg. So the kernel finds all that firmware provides: its services,
// its tables, a display adapter in text mode.

#include "devices/pc_board.h"
#include "frontend/loaders/boot_plan.h"
#include "frontend/loaders/memory_map.h"

namespace doppel::frontend::loaders {

/// Gives the board what firmware needs to start these files.
/// @errors "NAME: reason"
Result<void, Error> add_linuxboot(const KernelFiles& files, const MemoryMap& memory,
                                  devices::BoardConfig& board);

}  // namespace doppel::frontend::loaders
