#pragma once

// A saved machine with its disks, as a directory:
//
//     state          what the machine is made of, processor and chips, hashes of the rest, a checksum
//     memory         RAM, each page at its physical address, pages of zeros as holes
//     disks/NAME     the contents of each disk that can be written, as a raw image with holes
//
// A directory appears as a whole or not at all. Loading looks at everything before it changes
// anything, since it changes images that are written in place.

#include <string>

#include "cpu/base/result.h"
#include "frontend/machine.h"

namespace doppel::frontend {

/// Replaces a state that is there; anything else there is left alone. @errors "NAME: reason"
Result<void, Error> save_state_directory(Machine& machine, const std::string& path);

enum class MachineAfter : u8 { Unchanged, Broken };
/// Into a machine made with the same options. On an error `after` says whether the machine must be
/// thrown away. @errors "NAME: reason"
Result<void, Error> load_state_directory(Machine& machine, const std::string& path, MachineAfter& after);

bool is_state_directory(const std::string& path);

/// What a list shows.
struct StateSummary {
  u64 size_bytes = 0;  ///< On the host's disk.
  u64 virtual_ns = 0;
  u64 instructions = 0;
  i64 saved_at = 0;  ///< Seconds since 1970, of the host's clock.
};
Result<StateSummary, Error> summarize_state(const std::string& path);

}  // namespace doppel::frontend
