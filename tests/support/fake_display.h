#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

#include "devices/display.h"

namespace doppel::devices {

/// A display that shows what it is told to.
class FakeDisplay final : public DisplaySource {
 public:
  FakeDisplay() = default;
  /// One colour.
  FakeDisplay(unsigned width, unsigned height, u32 pixel) { fill(width, height, pixel); }

  void fill(unsigned width, unsigned height, u32 pixel) {
    shown.width = width;
    shown.height = height;
    shown.pixels.assign(size_t{width} * height, pixel);
  }
  void set(unsigned x, unsigned y, u32 pixel) { shown.pixels[size_t{y} * shown.width + x] = pixel; }
  void write(unsigned columns, unsigned rows, std::string_view text) {
    TextScreen screen;
    screen.columns = columns;
    screen.rows = rows;
    screen.cells.resize(size_t{columns} * rows);
    for (size_t i = 0; i < text.size(); ++i) screen.cells[i].character = static_cast<u8>(text[i]);
    characters = std::move(screen);
  }

  Change update(Picture& picture) override {
    ++updates;
    Change change;
    if (picture.width != shown.width || picture.height != shown.height) {
      change = {true, 0, shown.height};
    } else {
      for (unsigned y = 0; y < shown.height; ++y) {
        const auto row = static_cast<std::ptrdiff_t>(size_t{y} * shown.width);
        const auto width = static_cast<std::ptrdiff_t>(shown.width);
        if (std::equal(shown.pixels.begin() + row, shown.pixels.begin() + row + width,
                       picture.pixels.begin() + row))
          continue;
        if (change.end == 0) change.first = y;
        change.end = y + 1;
      }
    }
    picture = shown;
    return change;
  }
  std::optional<TextScreen> text() const override { return characters; }

  Picture shown;
  std::optional<TextScreen> characters;
  unsigned updates = 0;
};

}  // namespace doppel::devices
