#pragma once

// `-display curses`: the machine's text screen on the terminal that doppel was started from.
//
// Alt and a digit (or Esc and a digit) turn pages:
//
//     1     the machine's screen
//     2     the monitor
//     3...  what else is a `vc`: the first serial port
//
// Every other key goes to what is in front. In a graphics mode its size is shown instead.

#include <memory>
#include <vector>

#include "cpu/base/result.h"
#include "devices/display.h"
#include "frontend/character/page.h"
#include "frontend/host_front.h"
#include "frontend/input_queue.h"

namespace doppel::frontend::curses {

using OpenedTerminal = Result<std::unique_ptr<HostFront>, Error>;

/// All that is given must outlive the front. One a process: it has one terminal.
/// @errors why the terminal is of no use
OpenedTerminal open_terminal(const std::vector<PageDevice*>& pages, devices::DisplaySource& display,
                             InputQueue& queue);

/// The same through the module (frontend/module.h): "curses", "doppel_open_terminal".
using OpenTerminal = void(const std::vector<PageDevice*>& pages, devices::DisplaySource& display,
                          InputQueue& queue, OpenedTerminal& opened);

}  // namespace doppel::frontend::curses
