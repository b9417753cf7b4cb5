// The doors of the module: what `open_front` and `AudioDevices` look for in doppel-sdl.so.

#include "frontend/sdl/audio.h"
#include "frontend/sdl/window.h"

extern "C" void doppel_open_window(const doppel::frontend::sdl::WindowConfig& config,
                                   doppel::devices::DisplaySource& display,
                                   doppel::frontend::InputQueue& queue,
                                   doppel::frontend::sdl::OpenedWindow& opened) {
  opened = doppel::frontend::sdl::open_window(config, display, queue);
}

extern "C" void doppel_open_audio(unsigned rate_hz, doppel::frontend::sdl::OpenedAudio& opened) {
  opened = doppel::frontend::sdl::open_audio(rate_hz);
}
