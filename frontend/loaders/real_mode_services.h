#pragma once

#include <vector>

#include "frontend/loaders/boot_plan.h"

namespace doppel::frontend::loaders {

/// What firmware writes at 400h: serial ports, equipment, memory below 640 KiB.
/// @source "BIOS data area", as operating systems read it
Piece bios_data_piece();
/// An interrupt vector table and the code behind it, for real-mode code that was started without
/// firmware: the memory map (INT 15h E820, E801, 88h; INT 12h), teletype output (INT 10h 0Eh) on
/// COM1; every other call fails with CF set.
std::vector<Piece> real_mode_service_pieces(const MemoryMap& memory);

}  // namespace doppel::frontend::loaders
