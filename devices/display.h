#pragma once

// What a display adapter shows, for whoever wants to look: a window, a picture file, a terminal.
//
// Looking changes nothing that the guest could notice.

#include <optional>
#include <vector>

#include "cpu/base/types.h"

namespace doppel::devices {

/// Pixels as 00RRGGBBh, row after row without gaps.
struct Picture {
  unsigned width = 0;
  unsigned height = 0;
  std::vector<u32> pixels;
};

/// A text mode's screen.
struct TextScreen {
  unsigned columns = 0;
  unsigned rows = 0;
  struct Cell {
    u8 character = 0x20;  ///< Code page 437, whatever font is loaded.
    u8 attribute = 0x07;
  };
  std::vector<Cell> cells;  ///< Row after row.
  bool cursor_visible = false;
  unsigned cursor_column = 0;
  unsigned cursor_row = 0;
};

class DisplaySource {
 public:
  virtual ~DisplaySource() = default;
  /// Rows [first, end) of `picture` are new; none if equal. A change of size makes all of them new.
  struct Change {
    bool resized = false;
    unsigned first = 0;
    unsigned end = 0;
  };
  /// Brings a picture, which the same caller has kept since the last call (or an empty one), up to
  /// date.
  virtual Change update(Picture& picture) = 0;
  /// The characters on the screen; nothing in graphics modes.
  virtual std::optional<TextScreen> text() const = 0;
};

}  // namespace doppel::devices
