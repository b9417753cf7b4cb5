// Text: character cells to pixels, and to the characters themselves.
//
// A cell is two bytes, the character in plane 0 and its attribute in plane 1, at the same address;
// plane 2 holds the fonts, 32 bytes a character. A row is drawn again when a cell of it looks
// different from last time, blinking and cursor included: the fonts share their pages with the
// text, so stamps alone would say that everything is new with each character.

#include <algorithm>

#include "cpu/base/bits.h"
#include "devices/vga_adapter.h"
#include "devices/vga_render.h"

namespace doppel::devices {

namespace {

// Attribute register 10h.
constexpr u8 kMonochrome = 0x02;
constexpr u8 kLineGraphics = 0x04;
constexpr u8 kBlink = 0x08;

// A Look: character, attribute, and how it shows at this moment.
constexpr u32 kHidden = 1u << 16;  // In the dark half of blinking.
constexpr u32 kCursor = 1u << 17;
constexpr unsigned kCursorFirst = 18;
constexpr unsigned kCursorLast = 23;

constexpr unsigned kCharacterLines = 32;
/// The cursor is on for 8 of 16 frames, blinking characters for 16 of 32.
/// @source  FreeVGA, "VGA Text Mode Operation", "Cursor", "Attribute"
constexpr unsigned kCursorBlinkBit = 3;
constexpr unsigned kBlinkBit = 4;

/// @source  IBM PS/2 Technical Reference, "Character Map Select Register"
u32 font_offset(unsigned select) {
  // Bit 2 stands for an odd multiple of 8 KiB, the others for multiples of 16 KiB.
  return (select & 3) * 0x4000 + (select >> 2) * 0x2000;
}

struct Cursor {
  bool shown = false;
  u32 counter = 0;
  unsigned first = 0;
  unsigned last = 0;
};

/// Simplified: without the cursor's skew.
Cursor cursor_of(const VgaRegisters& registers) {
  Cursor cursor;
  cursor.first = registers.crtc(0x0a) & 0x1f;
  cursor.last = registers.crtc(0x0b) & 0x1f;
  cursor.shown = !bit(registers.crtc(0x0a), 5) && cursor.first <= cursor.last;
  cursor.counter = static_cast<u32>(registers.crtc(0x0e) << 8 | registers.crtc(0x0f));
  return cursor;
}

}  // namespace

// --- Pixels ------------------------------------------------------------------------------------

/// Fetches both fonts from plane 2; true if they are not as before.
bool VgaRenderer::load_fonts() {
  if (!everything_ && !memory_.changed_since(seen_epoch_, 0, VgaMemory::kLegacyBytes)) return false;
  const u8 select = registers_.sequencer(3);
  const std::array<u32, 2> offsets{
      font_offset(static_cast<unsigned>(bit_field(select, 3, 2)) | bit(select, 5) << 2),
      font_offset(static_cast<unsigned>(bit_field(select, 1, 0)) | bit(select, 4) << 2)};
  bool changed = false;
  for (unsigned map = 0; map < 2; ++map) {
    for (u32 i = 0; i < fonts_[map].size(); ++i) {
      const u8 line = static_cast<u8>(memory_.planes(offsets[map] + i) >> 16);
      changed |= fonts_[map][i] != line;
      fonts_[map][i] = line;
    }
  }
  return changed;
}

void VgaRenderer::look_at_row(const ScanLine& line, u64 frame, std::vector<Look>& looks) const {
  const Cursor cursor = cursor_of(registers_);
  const bool cursor_on = cursor.shown && !bit(frame, kCursorBlinkBit);
  const bool blinking = (registers_.attribute(0x10) & kBlink) != 0;
  const bool dark = blinking && bit(frame, kBlinkBit);
  looks.resize(layout_.columns + 1);
  for (unsigned column = 0; column < looks.size(); ++column) {
    const u32 counter = (line.counter + column) & 0xffff;
    u32 look = memory_.planes(fetch_address(registers_, counter, 0)) & 0xffff;
    if (dark && bit(look, 15)) look |= kHidden;
    if (cursor_on && counter == cursor.counter) {
      look |= kCursor | cursor.first << kCursorFirst | cursor.last << kCursorLast;
    }
    looks[column] = look;
  }
}

void VgaRenderer::draw_text(Picture& picture, u64 now_ns) {
  if (load_fonts()) {
    everything_ = true;
    rows_.clear();
  }
  const u64 frame = registers_.timing().frame_number(now_ns);
  buffer_.resize((layout_.columns + 1) * layout_.pixels_a_column);
  std::vector<Look> looks;
  size_t row = 0;
  for (unsigned y = 0; y < lines_.size(); ++row) {
    const ScanLine first = lines_[y];
    unsigned end = y + 1;
    while (end < lines_.size() && lines_[end].counter == first.counter &&
           lines_[end].below_split == first.below_split) {
      ++end;
    }
    look_at_row(first, frame, looks);
    if (row >= rows_.size()) rows_.emplace_back();
    if (everything_ || rows_[row] != looks) {
      for (unsigned line = y; line < end; ++line) {
        if (line == y || lines_[line] != lines_[line - 1]) draw_text_line(lines_[line], looks);
        emit(lines_[line], &picture.pixels[size_t{line} * picture.width]);
        drawn(line);
      }
      rows_[row] = looks;
    }
    y = end;
  }
}

/// @source  IBM PS/2 Technical Reference, "Attribute Controller Registers";
///          FreeVGA, "VGA Text Mode Operation"
void VgaRenderer::draw_text_line(const ScanLine& line, const std::vector<Look>& looks) {
  const u8 mode = registers_.attribute(0x10);
  const u8 background_bits = (mode & kBlink) != 0 ? 0x7 : 0xf;
  const bool underlined_line =
      (mode & kMonochrome) != 0 && line.row_scan == (registers_.crtc(0x14) & 0x1f);
  u32* out = buffer_.data();
  for (const Look look : looks) {
    const u8 character = static_cast<u8>(look);
    const u8 attribute = static_cast<u8>(look >> 8);
    // Bit 3 selects map A; where both are the same font it is only a colour.
    const unsigned map = bit(attribute, 3) ? 0 : 1;
    u8 shape = fonts_[map][character * kCharacterLines + line.row_scan];
    // The ninth dot repeats the eighth in characters that draw lines across cells.
    bool ninth = (mode & kLineGraphics) != 0 && (character & 0xe0) == 0xc0 && bit(shape, 0);
    if ((look & kHidden) != 0) {
      shape = 0;
      ninth = false;
    }
    const bool underlined = underlined_line && (attribute & 0x77) == 0x01;
    const bool cursor = (look & kCursor) != 0 &&
                        line.row_scan >= bit_field(look, kCursorFirst + 4, kCursorFirst) &&
                        line.row_scan <= bit_field(look, kCursorLast + 4, kCursorLast);
    if (underlined || cursor) {
      shape = 0xff;
      ninth = true;
    }
    const u32 foreground = plane_palette_[attribute & 0xf];
    const u32 background = plane_palette_[attribute >> 4 & background_bits];
    for (int shift = 7; shift >= 0; --shift)
      *out++ = bit(shape, static_cast<unsigned>(shift)) ? foreground : background;
    if (layout_.pixels_a_column == 9) *out++ = ninth ? foreground : background;
  }
}

// --- Characters --------------------------------------------------------------------------------

std::optional<TextScreen> VgaAdapter::text() const {
  // Retrace is off until a mode is set.
  const bool running = bit(registers_.crtc(0x17), 7);
  if (vbe_.enabled() || !running || bit(registers_.graphics(6), 0)) return std::nullopt;
  const VgaLayout layout = layout_of(registers_);
  const u32 start = static_cast<u32>(registers_.crtc(0x0c) << 8 | registers_.crtc(0x0d));
  const Cursor cursor = cursor_of(registers_);

  TextScreen screen;
  screen.columns = layout.columns;
  screen.rows = layout.lines / (layout.row_lines * (layout.doubled ? 2 : 1));
  screen.cells.reserve(size_t{screen.columns} * screen.rows);
  for (unsigned row = 0; row < screen.rows; ++row) {
    for (unsigned column = 0; column < screen.columns; ++column) {
      const u32 counter = (start + row * layout.row_counters + column) & 0xffff;
      const u32 cell = memory_.planes(fetch_address(registers_, counter, 0));
      screen.cells.push_back({static_cast<u8>(cell), static_cast<u8>(cell >> 8)});
      if (cursor.shown && counter == cursor.counter) {
        screen.cursor_visible = true;
        screen.cursor_column = column;
        screen.cursor_row = row;
      }
    }
  }
  return screen;
}

}  // namespace doppel::devices
