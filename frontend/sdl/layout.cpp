#include "frontend/sdl/layout.h"

#include <algorithm>

namespace doppel::frontend::sdl {

Box fit(unsigned picture_width, unsigned picture_height, int room_width, int room_height) {
  if (picture_width == 0 || picture_height == 0 || room_width <= 0 || room_height <= 0) return {};
  const i64 width = picture_width;
  const i64 height = picture_height;
  Box box;
  if (width * room_height <= height * room_width) {
    box.height = room_height;
    box.width = static_cast<int>(std::max<i64>(1, width * room_height / height));
  } else {
    box.width = room_width;
    box.height = static_cast<int>(std::max<i64>(1, height * room_width / width));
  }
  box.x = (room_width - box.width) / 2;
  box.y = (room_height - box.height) / 2;
  return box;
}

bool is_whole_factor(unsigned picture_width, const Box& box) {
  return picture_width != 0 && box.width % static_cast<i64>(picture_width) == 0;
}

std::string title(std::string_view name, bool paused, u64 mips, bool disk) {
  std::string text = "doppel";
  if (!name.empty()) text += " [" + std::string(name) + "]";
  text += paused ? " - paused" : " - running - " + std::to_string(mips) + " MIPS";
  if (disk) text += " - disk";
  return text;
}

bool SpeedMeter::update(u64 instructions, u64 disk_accesses, i64 now_host_ns) {
  if (started_ && now_host_ns - since_ns_ < kEvery) return false;
  if (started_) {
    const u64 elapsed_us = static_cast<u64>(now_host_ns - since_ns_) / 1000;
    // A loaded machine may have run less than the one before.
    mips_ = instructions > instructions_ ? (instructions - instructions_) / elapsed_us : 0;
    disk_ = disk_accesses != disk_accesses_;
  }
  started_ = true;
  since_ns_ = now_host_ns;
  instructions_ = instructions;
  disk_accesses_ = disk_accesses;
  return true;
}

}  // namespace doppel::frontend::sdl
