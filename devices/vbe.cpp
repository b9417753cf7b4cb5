#include "devices/vbe.h"

#include <algorithm>

namespace doppel::devices {

namespace {

constexpr u16 kFirstId = 0xb0c0;
constexpr u16 kLastId = 0xb0c5;
constexpr u16 kMaxDepth = 32;
constexpr u16 kEnableBits =
    Vbe::kEnabled | Vbe::kGetCaps | Vbe::kWideDac | Vbe::kLinear | Vbe::kNoClear;

bool is_depth(u16 value) {
  return value == 4 || value == 8 || value == 15 || value == 16 || value == 24 || value == 32;
}

}  // namespace

void Vbe::reset() {
  index_ = 0;
  id_ = kLastId;
  xres_ = yres_ = 0;
  bpp_ = 8;
  enable_ = bank_ = 0;
  virtual_width_ = virtual_height_ = x_offset_ = y_offset_ = 0;
  ++generation_;
}

/// An index that means nothing reads zero: the port is there, only the register is not.
u16 Vbe::read(u16 index) const {
  const bool caps = (enable_ & kGetCaps) != 0;
  switch (index) {
    case kId:
      return id_;
    case kXres:
      return caps ? kMaxWidth : xres_;
    case kYres:
      return caps ? kMaxHeight : yres_;
    case kBpp:
      return caps ? kMaxDepth : bpp_;
    case kEnable:
      return enable_;
    case kBank:
      return bank_;
    case kVirtualWidth:
      return virtual_width_;
    case kVirtualHeight:
      return virtual_height_;
    case kXOffset:
      return x_offset_;
    case kYOffset:
      return y_offset_;
    case kVideoMemory64K:
      return static_cast<u16>(memory_bytes_ >> 16);
    default:
      return 0;
  }
}

Vbe::Effect Vbe::write(u16 index, u16 value) {
  switch (index) {
    case kId:
      if (value >= kFirstId && value <= kLastId) id_ = value;
      return Effect::None;
    case kXres:
      xres_ = value;
      break;
    case kYres:
      yres_ = value;
      break;
    case kBpp:
      if (value == 0) value = 8;
      if (is_depth(value)) bpp_ = value;
      break;
    case kEnable:
      return write_enable(value);
    case kBank: {
      // Four planes share the memory: each has a quarter of the banks.
      const u32 banks = std::max<u32>((memory_bytes_ >> 16) / (bpp_ == 4 ? 4 : 1), 1);
      bank_ = static_cast<u16>(value % banks);
      break;
    }
    case kVirtualWidth:
      virtual_width_ = value;
      break;
    case kXOffset:
      x_offset_ = value;
      break;
    case kYOffset:
      y_offset_ = value;
      break;
    default:
      return Effect::None;
  }
  if (enabled()) fit();
  // Bank switching changes no picture.
  if (index != kBank) ++generation_;
  return Effect::None;
}

Vbe::Effect Vbe::write_enable(u16 value) {
  const bool starts = (value & kEnabled) != 0 && !enabled();
  enable_ = value & kEnableBits;
  ++generation_;
  if (!enabled()) bank_ = 0;
  if (!starts) return Effect::None;
  virtual_width_ = x_offset_ = y_offset_ = 0;
  bank_ = 0;
  fit();
  return (value & kNoClear) != 0 ? Effect::None : Effect::ClearMemory;
}

/// Cuts everything down to what the memory holds; afterwards mode() lies within it.
void Vbe::fit() {
  // Planes are addressed by bytes of eight pixels.
  const u16 unit = bpp_ == 4 ? 8 : 1;
  const auto whole = [unit](u32 pixels) {
    return static_cast<u16>(std::max<u32>(pixels / unit * unit, unit));
  };
  xres_ = whole(std::min(xres_, kMaxWidth));
  virtual_width_ = whole(std::max(virtual_width_, xres_));
  // Even the longest row (65535 pixels of 32 bits) fits into 256 KiB, the least there is.
  const u32 row = row_bytes(virtual_width_);
  const u32 rows = std::clamp<u32>(memory_bytes_ / std::max<u32>(row, 1), 1, 0xffff);
  virtual_height_ = static_cast<u16>(rows);
  yres_ = std::clamp<u16>(yres_, 1, std::min(kMaxHeight, virtual_height_));
  x_offset_ = std::min<u16>(x_offset_, static_cast<u16>(virtual_width_ - xres_));
  y_offset_ = std::min<u16>(y_offset_, static_cast<u16>(virtual_height_ - yres_));
}

/// Simplified: depth 4 begins at a multiple of eight pixels.
Vbe::Mode Vbe::mode() const {
  const u32 row = row_bytes(virtual_width_);
  const u32 column = bpp_ == 4 ? x_offset_ / 8u * 4u : row_bytes(x_offset_);
  return {.width = xres_,
          .height = yres_,
          .depth = bpp_,
          .stride_bytes = row,
          .start_bytes = y_offset_ * row + column};
}

void Vbe::serialize(Archive& archive) {
  archive(index_, id_, xres_, yres_, bpp_, enable_, bank_, virtual_width_, virtual_height_,
          x_offset_, y_offset_);
  if (!archive.is_loading()) return;
  if (!is_depth(bpp_)) {
    archive.fail("a VBE mode has a depth that does not exist");
    bpp_ = 8;
  }
  if (enabled()) fit();
  ++generation_;
}

}  // namespace doppel::devices
