#pragma once

// `-display sdl`: the machine's screen in a window, with keyboard and mouse.
//
// Held together, ctrl and alt on the left (or what `-display sdl,grab-mod=` names) make the next
// key the window's own:
//
//     G      takes or frees mouse and keyboard; so does a click into the window
//     F      full screen
//     + - U  larger, smaller, one to one
//     V      types the clipboard
//     S      writes the screen as doppel-N.png
//     1 2 3  QEMU's consoles: screen, monitor, serial line; the last two are on the terminal

#include <memory>
#include <string>

#include "cpu/base/result.h"
#include "devices/display.h"
#include "frontend/host_front.h"
#include "frontend/input_queue.h"

namespace doppel::frontend::sdl {

struct WindowConfig {
  std::string name;  ///< Of the machine, for the title.
  bool full_screen = false;
  FrontKeys keys = FrontKeys::CtrlAlt;
};

using OpenedWindow = Result<std::unique_ptr<HostFront>, Error>;

/// References must outlive the window. One window a process: what the host tells comes to one
/// place.
/// @errors what SDL says
OpenedWindow open_window(const WindowConfig& config, devices::DisplaySource& display,
                         InputQueue& queue);

/// The same through the module (frontend/module.h): "sdl", "doppel_open_window".
using OpenWindow = void(const WindowConfig& config, devices::DisplaySource& display,
                        InputQueue& queue, OpenedWindow& opened);

}  // namespace doppel::frontend::sdl
