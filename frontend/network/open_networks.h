#pragma once

// From options to cables: which networks a run's cards hang on.

#include "frontend/input_queue.h"
#include "frontend/network/host_networks.h"
#include "frontend/options.h"

namespace doppel::frontend {

/// Opens what the options ask for, and adds the cards to the board of `config`, of which firmware is
/// already known. Frames go into the queue. In a replay nothing is opened: cards have a cable, and the
/// recording is all that comes through it.
///
/// A network without forwarded ports is opened when its card first sends something, since until then
/// nobody could notice it, and many guests never do.
/// References must outlive the machine.
Result<void, Error> open_networks(const Options& options, InputQueue& queue,
                                  HostNetworks& networks, MachineConfig& config);

}  // namespace doppel::frontend
