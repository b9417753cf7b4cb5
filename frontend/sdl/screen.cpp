#include "frontend/sdl/screen.h"

#include <algorithm>

#include "cpu/base/log.h"
#include "frontend/sdl/layout.h"

namespace doppel::frontend::sdl {
namespace {

// Until the display says more: a VGA's text mode.
constexpr int kFirstWidth = 720;
constexpr int kFirstHeight = 400;
constexpr int kSmallestQuarters = 2;
constexpr int kLargestQuarters = 32;

Error sdl_error(const char* what) { return Error{std::string(what) + ": " + SDL_GetError()}; }

}  // namespace

Result<std::unique_ptr<Screen>, Error> Screen::open(const std::string& title,
                                                    devices::DisplaySource& display) {
  std::unique_ptr<Screen> screen(new Screen(display));
  screen->window_.reset(SDL_CreateWindow(title.c_str(), SDL_WINDOWPOS_CENTERED,
                                         SDL_WINDOWPOS_CENTERED, kFirstWidth, kFirstHeight,
                                         SDL_WINDOW_RESIZABLE));
  if (!screen->window_) return sdl_error("cannot open a window");
  screen->renderer_.reset(SDL_CreateRenderer(screen->window_.get(), -1, 0));
  if (!screen->renderer_) return sdl_error("cannot draw into a window");
  screen->refresh();
  return screen;
}

void Screen::refresh() {
  const devices::DisplaySource::Change change = display_.update(picture_);
  if (change.resized) {
    texture_.reset();
    set_size();
  }
  if (change.resized || change.first < change.end) {
    upload(change.first, change.end);
    stale_ = true;
  }
  if (stale_) draw();
}

void Screen::reload() {
  texture_.reset();
  upload(0, picture_.height);
  stale_ = true;
}

/// Rows [first, end) of the picture go into the texture; all of them if it is new.
void Screen::upload(unsigned first, unsigned end) {
  if (picture_.width == 0 || picture_.height == 0) return;
  if (!texture_) {
    texture_.reset(SDL_CreateTexture(renderer_.get(), SDL_PIXELFORMAT_XRGB8888,
                                     SDL_TEXTUREACCESS_STREAMING, static_cast<int>(picture_.width),
                                     static_cast<int>(picture_.height)));
    if (!texture_) {
      log::warn("output", "no room for a picture of %u x %u: %s", picture_.width, picture_.height,
                SDL_GetError());
      return;
    }
    SDL_SetTextureBlendMode(texture_.get(), SDL_BLENDMODE_NONE);
    first = 0;
    end = picture_.height;
  }
  const SDL_Rect rows = {0, static_cast<int>(first), static_cast<int>(picture_.width),
                         static_cast<int>(end - first)};
  SDL_UpdateTexture(texture_.get(), &rows, &picture_.pixels[size_t{first} * picture_.width],
                    static_cast<int>(picture_.width * sizeof(u32)));
}

void Screen::draw() {
  stale_ = false;
  int width = 0;
  int height = 0;
  SDL_GetRendererOutputSize(renderer_.get(), &width, &height);
  SDL_SetRenderDrawColor(renderer_.get(), 0, 0, 0, SDL_ALPHA_OPAQUE);
  SDL_RenderClear(renderer_.get());
  if (texture_) {
    const Box box = fit(picture_.width, picture_.height, width, height);
    const SDL_Rect place = {box.x, box.y, box.width, box.height};
    SDL_SetTextureScaleMode(texture_.get(), is_whole_factor(picture_.width, box)
                                                ? SDL_ScaleModeNearest
                                                : SDL_ScaleModeLinear);
    SDL_RenderCopy(renderer_.get(), texture_.get(), nullptr, &place);
  }
  SDL_RenderPresent(renderer_.get());
}

void Screen::set_size() {
  if (by_hand_ || picture_.width == 0 || picture_.height == 0) return;
  const auto scaled = [this](unsigned size) {
    return static_cast<int>(size) * scale_quarters_ / 4;
  };
  SDL_SetWindowSize(window_.get(), scaled(picture_.width), scaled(picture_.height));
  stale_ = true;
}

void Screen::toggle_full_screen() {
  const bool full = (SDL_GetWindowFlags(window_.get()) & SDL_WINDOW_FULLSCREEN_DESKTOP) != 0;
  SDL_SetWindowFullscreen(window_.get(), full ? 0 : SDL_WINDOW_FULLSCREEN_DESKTOP);
  stale_ = true;
}

void Screen::scale_by(int quarters) {
  by_hand_ = false;
  scale_quarters_ = std::clamp(scale_quarters_ + quarters, kSmallestQuarters, kLargestQuarters);
  set_size();
}

void Screen::scale_to_one() {
  by_hand_ = false;
  scale_quarters_ = 4;
  set_size();
}

}  // namespace doppel::frontend::sdl
