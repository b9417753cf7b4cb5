#pragma once

// A piece of a guest's memory as a file: the monitors' memsave and pmemsave.

#include <string>

#include "cpu/base/result.h"
#include "frontend/machine.h"

namespace doppel::frontend {

/// @errors a sentence: where nothing is mapped, or "NAME: reason".
Result<void, Error> save_linear_memory(Machine& machine, LinearAddr address, u64 size,
                                       const std::string& path);
/// Ends where the machine's memory does. Reads no device.
Result<void, Error> save_physical_memory(Machine& machine, PhysAddr address, u64 size,
                                         const std::string& path);

}  // namespace doppel::frontend
