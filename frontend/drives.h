#pragma once

#include <vector>

#include "cpu/base/result.h"
#include "frontend/options.h"

namespace doppel::frontend {

/// Opens the images behind the drives that were asked for.
/// @errors "NAME: reason"
Result<std::vector<devices::BoardConfig::Drive>, Error> open_drives(const Options& options);

}  // namespace doppel::frontend
