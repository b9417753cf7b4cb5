#pragma once

// What the guest's page tables map at this moment: `info mem` and `info tlb`.

#include <string>

#include "frontend/machine.h"

namespace doppel::frontend {

/// Ranges of linear addresses with equal rights: "START-END LENGTH urwx".
std::string mapped_ranges(Machine& machine);
/// A line a page: "VADDR: PADDR XGPDACTUW".
std::string mapped_pages(Machine& machine);

}  // namespace doppel::frontend
