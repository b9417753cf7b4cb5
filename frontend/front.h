#pragma once

// Which face a machine gets on this host.

#include <memory>
#include <vector>

#include "cpu/base/result.h"
#include "frontend/character/page.h"
#include "frontend/host_front.h"
#include "frontend/input_queue.h"
#include "frontend/machine.h"
#include "frontend/options.h"

namespace doppel::frontend {

/// The window or the terminal; null where none is wanted, or where it goes without saying and there
/// cannot be one. `pages` are the texts that a person can turn to there.
Result<std::unique_ptr<HostFront>, Error> open_front(const Options& options, Machine& machine,
                                                     InputQueue& queue,
                                                     const std::vector<PageDevice*>& pages);

}  // namespace doppel::frontend
