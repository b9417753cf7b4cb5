#pragma once

// The Bochs VBE interface ("dispi"): what lies beyond the VGA's own modes, in eleven word registers
// behind an index port and a data port.
//
// Software writes depth and size while the interface is off and then turns it on; the size that
// memory cannot hold is cut down at that moment, and can be read back. While on, it takes the
// picture's layout from the VGA's registers: linear, `virtual width` pixels to a row, beginning at
// the offsets. Depth 4 keeps the VGA's four planes.

#include "cpu/base/archive.h"
#include "cpu/base/types.h"

namespace doppel::devices {

/// @source  Bochs, "VBE Display Hardware Specification" (vbe_display_api.txt)
class Vbe {
 public:
  static constexpr u16 kMaxWidth = 2560;
  static constexpr u16 kMaxHeight = 1600;

  /// What index selects.
  enum Register : u16 {
    kId = 0,
    kXres,
    kYres,
    kBpp,
    kEnable,
    kBank,
    kVirtualWidth,
    kVirtualHeight,
    kXOffset,
    kYOffset,
    kVideoMemory64K,
  };
  // Bits of kEnable.
  static constexpr u16 kEnabled = 0x01;
  static constexpr u16 kGetCaps = 0x02;
  static constexpr u16 kWideDac = 0x20;
  static constexpr u16 kLinear = 0x40;
  static constexpr u16 kNoClear = 0x80;

  explicit Vbe(u32 memory_bytes) : memory_bytes_(memory_bytes) {}

  u16 index() const { return index_; }
  void set_index(u16 index) { index_ = index; }
  u16 read(u16 index) const;
  enum class Effect { None, ClearMemory };
  /// ClearMemory: a mode was set and wants its memory zeroed.
  Effect write(u16 index, u16 value);

  bool enabled() const { return (enable_ & kEnabled) != 0; }
  bool wide_dac() const { return (enable_ & kWideDac) != 0; }
  /// The picture's layout; sizes are never zero, and it lies within memory.
  struct Mode {
    unsigned width = 0;
    unsigned height = 0;
    unsigned depth = 0;
    u32 stride_bytes = 0;  ///< Depth 4: of all four planes together.
    u32 start_bytes = 0;
  };
  Mode mode() const;
  unsigned depth() const { return bpp_; }
  /// Which 64 KiB show at A0000h, as a byte address (depth 4: within each plane).
  u32 bank_address() const { return u32{bank_} << 16; }

  u32 generation() const { return generation_; }

  void reset();
  void serialize(Archive& archive);

 private:
  u32 bits_per_pixel() const { return bpp_ == 15 ? 16 : bpp_; }
  u32 row_bytes(u32 pixels) const { return pixels * bits_per_pixel() / 8; }
  Effect write_enable(u16 value);
  void fit();

  u32 memory_bytes_;
  u16 index_ = 0;
  u16 id_ = 0xb0c5;
  u16 xres_ = 0;
  u16 yres_ = 0;
  u16 bpp_ = 8;
  u16 enable_ = 0;
  u16 bank_ = 0;
  u16 virtual_width_ = 0;
  u16 virtual_height_ = 0;
  u16 x_offset_ = 0;
  u16 y_offset_ = 0;
  u32 generation_ = 1;
};

}  // namespace doppel::devices
