// The door of the module: what `open_front` looks for in doppel-curses.so.

#include "frontend/curses/terminal_front.h"

extern "C" void doppel_open_terminal(
    const std::vector<doppel::frontend::PageDevice*>& pages,
    doppel::devices::DisplaySource& display, doppel::frontend::InputQueue& queue,
    doppel::frontend::curses::OpenedTerminal& opened) {
  opened = doppel::frontend::curses::open_terminal(pages, display, queue);
}
