#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "cpu/base/result.h"
#include "frontend/machine.h"

namespace doppel::frontend {

/// Writes the whole machine: a heading, what the machine is made of, its parts in named sections,
/// and a checksum. @errors "NAME: reason"
Result<void, Error> save_state(Machine& machine, const std::string& path);
/// Loads into a machine made with the same options. On an error the machine must be thrown away.
/// @errors "NAME: reason"
Result<void, Error> load_state(Machine& machine, const std::string& path);

// What saved machines of every form have in common.

/// What must be the same on both sides; a difference is named.
void match_configuration(Archive& archive, const MachineConfig& config);
/// A file of `magic`, a version, what `parts` saves, and a checksum. @errors "NAME: reason"
Result<void, Error> write_sealed(const std::string& path, std::string_view magic,
                                 const std::function<void(Archive&)>& parts);
/// Nothing is loaded from a file that was changed since. @errors "NAME: reason"
Result<void, Error> read_sealed(const std::string& path, std::string_view magic,
                                const std::function<void(Archive&)>& parts);

}  // namespace doppel::frontend
