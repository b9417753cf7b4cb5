#pragma once

// A window with the machine's picture in it.
//
// The picture lives in a texture; only rows that changed go there, and nothing is drawn where
// nothing changed. It keeps its shape: what is left of the window stays black. The window follows
// the machine's video modes, until somebody gives it a size by hand.

#include <memory>
#include <string>

#include <SDL.h>

#include "cpu/base/result.h"
#include "devices/display.h"

namespace doppel::frontend::sdl {

class Screen {
 public:
  /// The display must outlive the screen. SDL's video must be on for as long.
  /// @errors what SDL says
  static Result<std::unique_ptr<Screen>, Error> open(const std::string& title,
                                                     devices::DisplaySource& display);

  /// Brings the window up to date.
  void refresh();
  /// The window's content was lost.
  void expose() { stale_ = true; }
  /// What the graphics card of the host held was lost.
  void reload();
  /// The window has a size that somebody gave it.
  void resized_by_hand() { by_hand_ = true; }

  void toggle_full_screen();
  /// Larger or smaller by quarters of the picture's size.
  void scale_by(int quarters);
  /// One pixel of the window for each of the picture.
  void scale_to_one();
  void set_title(const std::string& text) { SDL_SetWindowTitle(window_.get(), text.c_str()); }

  SDL_Window* window() { return window_.get(); }
  const devices::Picture& picture() const { return picture_; }

 private:
  explicit Screen(devices::DisplaySource& display) : display_(display) {}
  void upload(unsigned first, unsigned end);
  void draw();
  void set_size();

  struct Closer {
    void operator()(SDL_Window* window) const { SDL_DestroyWindow(window); }
    void operator()(SDL_Renderer* renderer) const { SDL_DestroyRenderer(renderer); }
    void operator()(SDL_Texture* texture) const { SDL_DestroyTexture(texture); }
  };
  devices::DisplaySource& display_;
  devices::Picture picture_;
  std::unique_ptr<SDL_Window, Closer> window_;
  std::unique_ptr<SDL_Renderer, Closer> renderer_;
  std::unique_ptr<SDL_Texture, Closer> texture_;
  int scale_quarters_ = 4;
  bool by_hand_ = false;
  bool stale_ = true;
};

}  // namespace doppel::frontend::sdl
