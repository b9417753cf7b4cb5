#include "frontend/front.h"

#include <cstdlib>

#include "cpu/base/log.h"
#include "frontend/curses/terminal_front.h"
#include "frontend/module.h"
#include "frontend/sdl/window.h"

namespace doppel::frontend {
namespace {

/// The host has a screen that a window could open on.
bool host_has_screen() {
  for (const char* name : {"DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"}) {
    const char* const value = std::getenv(name);
    if (value != nullptr && *value != '\0') return true;
  }
  return false;
}

sdl::OpenedWindow open_window(const Options& options, Machine& machine, InputQueue& queue) {
  DOPPEL_TRY(const std::function<sdl::OpenWindow> open,
             find_in_module<sdl::OpenWindow>("sdl", "doppel_open_window"));
  sdl::WindowConfig config;
  config.name = options.name;
  config.full_screen = options.full_screen;
  config.keys = options.front_keys;
  sdl::OpenedWindow opened = std::unique_ptr<HostFront>();
  open(config, *machine.display(), queue, opened);
  return opened;
}

curses::OpenedTerminal open_terminal(Machine& machine, InputQueue& queue,
                                     const std::vector<PageDevice*>& pages) {
  DOPPEL_TRY(const std::function<curses::OpenTerminal> open,
             find_in_module<curses::OpenTerminal>("curses", "doppel_open_terminal"));
  curses::OpenedTerminal opened = std::unique_ptr<HostFront>();
  open(pages, *machine.display(), queue, opened);
  return opened;
}

}  // namespace

Result<std::unique_ptr<HostFront>, Error> open_front(const Options& options, Machine& machine,
                                                     InputQueue& queue,
                                                     const std::vector<PageDevice*>& pages) {
  using Display = Options::Display;
  if (options.display == Display::Curses) return open_terminal(machine, queue, pages);
  const bool wanted = options.display == Display::Sdl;
  if (options.display == Display::None || (machine.display() == nullptr && !wanted))
    return std::unique_ptr<HostFront>();
  if (machine.display() == nullptr) return Error{"-display: the machine has no graphics card"};
  if (!wanted && !host_has_screen()) {
    log::info("doppel", "no window: neither DISPLAY nor WAYLAND_DISPLAY is set");
    return std::unique_ptr<HostFront>();
  }
  auto front = open_window(options, machine, queue);
  if (front.ok() || wanted) return front;
  log::info("doppel", "no window: %s", front.error().message.c_str());
  return std::unique_ptr<HostFront>();
}

}  // namespace doppel::frontend
