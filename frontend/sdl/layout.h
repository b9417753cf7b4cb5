#pragma once

// Where the picture goes in a window, and what stands in the window's title: the parts of a window
// that need no window.

#include <string>
#include <string_view>

#include "cpu/base/types.h"

namespace doppel::frontend::sdl {

struct Box {
  int x = 0;
  int y = 0;
  int width = 0;
  int height = 0;
  bool operator==(const Box&) const = default;
};

/// The largest box of the picture's shape, in the middle of the room there is.
Box fit(unsigned picture_width, unsigned picture_height, int room_width, int room_height);

/// Whether each pixel of the picture becomes the same number of the window's.
bool is_whole_factor(unsigned picture_width, const Box& box);

/// "doppel [NAME] - running - 123 MIPS - disk"; without the brackets if there is no name.
std::string title(std::string_view name, bool paused, u64 mips, bool disk);

/// Instructions a second of virtual machine, twice a second.
class SpeedMeter {
 public:
  /// True when a new value is there.
  bool update(u64 instructions, u64 disk_accesses, i64 now_host_ns);
  u64 mips() const { return mips_; }
  /// The disk was used since the value before.
  bool disk() const { return disk_; }

 private:
  static constexpr i64 kEvery = 500'000'000;
  bool started_ = false;
  i64 since_ns_ = 0;
  u64 instructions_ = 0;
  u64 disk_accesses_ = 0;
  u64 mips_ = 0;
  bool disk_ = false;
};

}  // namespace doppel::frontend::sdl
