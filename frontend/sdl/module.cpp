// The door of the module: what `open_front` looks for in doppel-sdl.so.

#include "frontend/sdl/window.h"

extern "C" void doppel_open_window(const doppel::frontend::sdl::WindowConfig& config,
                                   doppel::devices::DisplaySource& display,
                                   doppel::frontend::InputQueue& queue,
                                   doppel::frontend::sdl::OpenedWindow& opened) {
  opened = doppel::frontend::sdl::open_window(config, display, queue);
}
