#pragma once

#include <string>

#include "cpu/base/result.h"
#include "frontend/machine.h"

namespace doppel::frontend {

/// Writes the whole machine: a heading, what the machine is made of, its parts in named sections,
/// and a checksum. @errors "NAME: reason"
Result<void, Error> save_state(Machine& machine, const std::string& path);
/// Loads into a machine made with the same options. On an error the machine must be thrown away.
/// @errors "NAME: reason"
Result<void, Error> load_state(Machine& machine, const std::string& path);

}  // namespace doppel::frontend
