#include "devices/vga_render.h"

#include <algorithm>
#include <cstring>

#include "cpu/base/bits.h"

namespace doppel::devices {

namespace {

constexpr u8 kGraphicsMode = 0x01;  // Graphics register 6.
constexpr u8 kInterleaved = 0x20;   // Graphics register 5.
constexpr u8 kPacked = 0x40;
constexpr u8 kPanCompatible = 0x20;  // Attribute register 10h.

constexpr u32 kCounterMask = 0xffff;

/// Bit `index` of each of four planes' bytes, plane 0's lowest.
constexpr u32 planar_pixel(u32 quad, unsigned index) {
  const u32 bits = quad >> index & 0x0101'0101;
  return (bits | bits >> 7 | bits >> 14 | bits >> 21) & 0xf;
}

}  // namespace

VgaLayout layout_of(const VgaRegisters& registers) {
  using Kind = VgaLayout::Kind;
  VgaLayout layout;
  const u8 clocking = registers.sequencer(1);
  if ((registers.graphics(6) & kGraphicsMode) == 0) {
    layout.kind = Kind::Text;
    layout.pixels_a_column = bit(clocking, 0) ? 8 : 9;
  } else if ((registers.graphics(5) & kPacked) != 0) {
    // Eight bits a pixel take two clocks to leave the four planes.
    layout.kind = Kind::Packed;
    layout.pixels_a_column = 4;
    layout.dots_a_pixel = 2;
  } else {
    layout.kind = (registers.graphics(5) & kInterleaved) != 0 ? Kind::Cga : Kind::Planar;
  }
  if (bit(clocking, 3)) layout.dots_a_pixel *= 2;
  const VgaTiming& timing = registers.timing();
  layout.columns = std::min(timing.visible_characters,
                            VgaLayout::kMaxWidth / (layout.pixels_a_column * layout.dots_a_pixel));
  layout.lines = timing.visible_lines;
  layout.row_lines = (registers.crtc(9) & 0x1fu) + 1;
  layout.doubled = bit(registers.crtc(9), 7);
  layout.row_counters = registers.crtc(0x13) * 2u;
  return layout;
}

/// Simplified: the counter always counts every character clock (no "count by two" or four).
u32 fetch_address(const VgaRegisters& registers, u32 counter, unsigned row_scan) {
  const u8 mode = registers.crtc(0x17);
  u32 address = counter & kCounterMask;
  if (bit(registers.crtc(0x14), 6)) {
    address <<= 2;  // Doubleword mode.
  } else if (!bit(mode, 6)) {
    // Word mode: a high bit comes back as bit 0.
    address = address << 1 | (address >> (bit(mode, 5) ? 15 : 13) & 1);
  }
  // The row scan counter takes the place of bits 13 and 14, as the CGA's and Hercules' banks do.
  if (!bit(mode, 0)) address = static_cast<u32>(with_bit(address, 13, bit(row_scan, 0)));
  if (!bit(mode, 1)) address = static_cast<u32>(with_bit(address, 14, bit(row_scan, 1)));
  return address & kCounterMask;
}

void VgaRenderer::drawn(unsigned line) {
  if (change_.first == change_.end) change_.first = line;
  change_.end = line + 1;
}

DisplaySource::Change VgaRenderer::update(Picture& picture, u64 now_ns) {
  change_ = {};
  const bool visible = prepare(picture);
  if (!visible) {
    if (everything_) {
      std::fill(picture.pixels.begin(), picture.pixels.end(), 0);
      change_.end = picture.height;
    }
  } else if (vbe_.enabled()) {
    draw_vbe(picture);
  } else if (layout_.kind == VgaLayout::Kind::Text) {
    draw_text(picture, now_ns);
  } else {
    draw_graphics(picture);
  }
  memory_.begin_epoch();
  seen_epoch_ = memory_.epoch();
  return change_;
}

/// Gives the picture its size and decides what is still valid. False: the screen is dark.
bool VgaRenderer::prepare(Picture& picture) {
  const bool registers_changed = registers_generation_ != registers_.picture_generation() ||
                                 vbe_generation_ != vbe_.generation();
  if (registers_changed) {
    registers_generation_ = registers_.picture_generation();
    vbe_generation_ = vbe_.generation();
    layout_ = layout_of(registers_);
    for (unsigned i = 0; i < 256; ++i) palette_[i] = registers_.colour(static_cast<u8>(i));
    for (u8 i = 0; i < 16; ++i) plane_palette_[i] = palette_[registers_.dac_index(i)];
    lay_out_lines();
  }
  unsigned width = layout_.width();
  unsigned height = layout_.lines;
  if (vbe_.enabled()) {
    const Vbe::Mode mode = vbe_.mode();
    width = mode.width;
    height = mode.height;
  }
  everything_ = registers_changed || picture.pixels.data() != last_pixels_;
  if (picture.width != width || picture.height != height ||
      picture.pixels.size() != size_t{width} * height) {
    picture.width = width;
    picture.height = height;
    picture.pixels.assign(size_t{width} * height, 0);
    change_.resized = true;
    everything_ = true;
  }
  last_pixels_ = picture.pixels.data();
  if (everything_) rows_.clear();
  return registers_.screen_on();
}

/// Runs the CRT controller's counters over the visible part of a frame.
/// @source  FreeVGA, "Split-Screen Operation", "Smooth Scrolling"
void VgaRenderer::lay_out_lines() {
  const u8 overflow = registers_.crtc(7);
  const unsigned split =
      registers_.crtc(0x18) | bit(overflow, 4) << 8 | bit(registers_.crtc(9), 6) << 9;
  const u8 preset = registers_.crtc(8);
  u32 row = (registers_.crtc(0x0c) << 8 | registers_.crtc(0x0d)) + bit_field(preset, 6, 5);
  unsigned row_scan = preset & 0x1f;
  bool below_split = false;
  bool second = false;  // Of two equal lines.
  lines_.clear();
  for (unsigned line = 0; line < layout_.lines; ++line) {
    lines_.push_back({row & kCounterMask, static_cast<u8>(row_scan), below_split});
    if (layout_.doubled) second = !second;
    if (!second) {
      // A preset beyond the row's height runs to the counter's end.
      row_scan = row_scan + 1 == layout_.row_lines ? 0 : (row_scan + 1) & 0x1f;
      if (row_scan == 0) row += layout_.row_counters;
    }
    if (line == split) {
      row = 0;
      row_scan = 0;
      second = false;
      below_split = true;
    }
  }
}

/// Copies the part of buffer_ that is visible after panning, each pixel as wide as it is.
void VgaRenderer::emit(const ScanLine& line, u32* out) const {
  unsigned pan = registers_.attribute(0x13);
  if (layout_.pixels_a_column == 9) {
    // With nine dots the values go round: 8 is none, 0 is one.
    pan = pan < 8 ? pan + 1 : 0;
  } else {
    pan = pan & 7;
    if (layout_.kind == VgaLayout::Kind::Packed) pan >>= 1;
  }
  if (line.below_split && (registers_.attribute(0x10) & kPanCompatible) != 0) pan = 0;
  const unsigned count = layout_.columns * layout_.pixels_a_column;
  const u32* in = buffer_.data() + pan;
  if (layout_.dots_a_pixel == 1) {
    std::copy_n(in, count, out);
    return;
  }
  for (unsigned i = 0; i < count; ++i) {
    for (unsigned dot = 0; dot < layout_.dots_a_pixel; ++dot) *out++ = in[i];
  }
}

// --- The VGA's graphics modes ------------------------------------------------------------------

bool VgaRenderer::line_changed(const ScanLine& line) const {
  const u32 first = fetch_address(registers_, line.counter, line.row_scan);
  const u32 last = fetch_address(registers_, line.counter + layout_.columns, line.row_scan);
  // Where addresses wrap or come back from higher bits, everything counts.
  if (last < first) return memory_.changed_since(seen_epoch_, 0, VgaMemory::kLegacyBytes);
  return memory_.changed_since(seen_epoch_, first << 2, (last - first + 1) << 2);
}

void VgaRenderer::draw_graphics(Picture& picture) {
  buffer_.resize((layout_.columns + 1) * layout_.pixels_a_column);
  for (unsigned y = 0; y < lines_.size(); ++y) {
    const ScanLine& line = lines_[y];
    if (!everything_ && !line_changed(line)) continue;
    // A doubled line, or one of several that show the same addresses, is drawn once.
    const bool same = y != 0 && line == lines_[y - 1];
    if (!same) draw_graphics_line(line);
    emit(line, &picture.pixels[size_t{y} * picture.width]);
    drawn(y);
  }
}

void VgaRenderer::draw_graphics_line(const ScanLine& line) {
  u32* out = buffer_.data();
  for (unsigned column = 0; column <= layout_.columns; ++column) {
    const u32 quad =
        memory_.planes(fetch_address(registers_, line.counter + column, line.row_scan));
    switch (layout_.kind) {
      case VgaLayout::Kind::Packed:
        for (unsigned i = 0; i < 4; ++i) *out++ = palette_[quad >> (8 * i) & 0xff];
        break;
      case VgaLayout::Kind::Cga:
        // Pairs of bits: the even planes' byte first, planes 2 and 3 above planes 0 and 1.
        for (unsigned plane = 0; plane < 2; ++plane) {
          const u32 low = quad >> (8 * plane);
          const u32 high = quad >> (8 * plane + 16);
          for (int shift = 6; shift >= 0; shift -= 2) {
            *out++ = plane_palette_[(low >> shift & 3) | (high >> shift & 3) << 2];
          }
        }
        break;
      default:
        for (int shift = 7; shift >= 0; --shift) {
          *out++ = plane_palette_[planar_pixel(quad, static_cast<unsigned>(shift))];
        }
        break;
    }
  }
}

// --- VBE modes ---------------------------------------------------------------------------------

void VgaRenderer::draw_vbe(Picture& picture) {
  const Vbe::Mode mode = vbe_.mode();
  // Depth 4 has its pixels' four bits in four planes.
  const u32 row_bytes = mode.depth == 4 ? mode.width / 2 : mode.width * ((mode.depth + 7) / 8);
  for (unsigned y = 0; y < mode.height; ++y) {
    const u32 offset = mode.start_bytes + y * mode.stride_bytes;
    if (!everything_ && !memory_.changed_since(seen_epoch_, offset, row_bytes)) continue;
    draw_vbe_row(mode, memory_.row(offset, row_bytes), &picture.pixels[size_t{y} * picture.width]);
    drawn(y);
  }
}

/// Little endian, blue lowest.
/// @source  Bochs, "VBE Display Hardware Specification"
void VgaRenderer::draw_vbe_row(const Vbe::Mode& mode, const u8* row, u32* out) const {
  const auto word = [row](u32 x) {
    u16 pixel;
    std::memcpy(&pixel, row + 2 * x, 2);
    return u32{pixel};
  };
  const auto quad = [row](u32 x) {
    u32 value;
    std::memcpy(&value, row + 4 * x, 4);
    return value;
  };
  // Full scale of five or six bits stays full scale.
  const auto five = [](u32 value) { return (value & 0x1f) << 3 | (value & 0x1f) >> 2; };
  const auto six = [](u32 value) { return (value & 0x3f) << 2 | (value & 0x3f) >> 4; };
  switch (mode.depth) {
    case 4:
      for (unsigned x = 0; x < mode.width; ++x) {
        out[x] = plane_palette_[planar_pixel(quad(x / 8), 7 - x % 8)];
      }
      break;
    case 8:
      for (unsigned x = 0; x < mode.width; ++x) out[x] = palette_[row[x]];
      break;
    case 15:
      for (unsigned x = 0; x < mode.width; ++x) {
        const u32 pixel = word(x);
        out[x] = five(pixel >> 10) << 16 | five(pixel >> 5) << 8 | five(pixel);
      }
      break;
    case 16:
      for (unsigned x = 0; x < mode.width; ++x) {
        const u32 pixel = word(x);
        out[x] = five(pixel >> 11) << 16 | six(pixel >> 5) << 8 | five(pixel);
      }
      break;
    case 24:
      for (unsigned x = 0; x < mode.width; ++x) {
        const u8* pixel = row + 3 * x;
        out[x] = static_cast<u32>(pixel[0] | pixel[1] << 8 | pixel[2] << 16);
      }
      break;
    default:
      for (unsigned x = 0; x < mode.width; ++x) out[x] = quad(x) & 0x00ff'ffff;
      break;
  }
}

}  // namespace doppel::devices
