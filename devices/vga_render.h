#pragma once

// From registers and memory to a picture.
//
// The VGA's own modes are drawn as the CRT controller scans them, line by line at full resolution:
// 720x400 for text, 640x400 for mode 13h, whose pixels are two dots wide and two lines high. So
// start address, split screen, panning and row scans fall out of the same counters as in the chip.
// VBE modes are rows of pixels.
//
// Each look draws only what may have changed: everything after a change of registers, otherwise the
// rows whose pages have a newer stamp, and in text the rows whose cells look different.

#include <array>
#include <vector>

#include "devices/display.h"
#include "devices/vbe.h"
#include "devices/vga_memory.h"
#include "devices/vga_registers.h"

namespace doppel::devices {

/// How the registers lay the screen out. @source  FreeVGA, "VGA Display Generation"
struct VgaLayout {
  enum class Kind : u8 { Text, Planar, Cga, Packed };
  /// No picture of these modes is wider; a few register values would be.
  static constexpr unsigned kMaxWidth = 2048;

  Kind kind = Kind::Text;
  unsigned columns = 0;          ///< Character clocks that are shown.
  unsigned pixels_a_column = 8;  ///< Pixels of memory each of them shows.
  unsigned dots_a_pixel = 1;
  unsigned lines = 0;
  unsigned row_lines = 1;  ///< Scan lines of a character row, without doubling.
  bool doubled = false;
  u32 row_counters = 0;  ///< From one row to the next, in counts of the address counter.

  unsigned width() const { return columns * pixels_a_column * dots_a_pixel; }
};
VgaLayout layout_of(const VgaRegisters& registers);

/// Address in each plane that the CRT controller fetches at `counter` in scan line `row_scan` of a
/// row. @source  IBM PS/2 Technical Reference, "CRT Mode Control Register"
u32 fetch_address(const VgaRegisters& registers, u32 counter, unsigned row_scan);

class VgaRenderer {
 public:
  /// All must outlive the renderer, which changes nothing of them but the memory's epoch.
  VgaRenderer(const VgaRegisters& registers, const Vbe& vbe, VgaMemory& memory)
      : registers_(registers), vbe_(vbe), memory_(memory) {}

  DisplaySource::Change update(Picture& picture, u64 now_ns);

 private:
  /// What the CRT controller's counters are in a scan line.
  struct ScanLine {
    u32 counter = 0;
    u8 row_scan = 0;
    bool below_split = false;
    bool operator==(const ScanLine&) const = default;
  };
  /// A character as it looks: code, attribute and what blinks (kHidden, cursor).
  using Look = u32;

  bool prepare(Picture& picture);
  void lay_out_lines();
  void draw_vbe(Picture& picture);
  void draw_vbe_row(const Vbe::Mode& mode, const u8* row, u32* out) const;
  void draw_graphics(Picture& picture);
  void draw_graphics_line(const ScanLine& line);
  bool line_changed(const ScanLine& line) const;
  void draw_text(Picture& picture, u64 now_ns);
  bool load_fonts();
  void look_at_row(const ScanLine& line, u64 frame, std::vector<Look>& looks) const;
  void draw_text_line(const ScanLine& line, const std::vector<Look>& looks);
  void emit(const ScanLine& line, u32* out) const;
  void drawn(unsigned line);

  const VgaRegisters& registers_;
  const Vbe& vbe_;
  VgaMemory& memory_;

  // Valid for the generations below.
  u32 registers_generation_ = 0;
  u32 vbe_generation_ = 0;
  VgaLayout layout_;
  std::array<u32, 256> palette_{};       // By DAC entry.
  std::array<u32, 16> plane_palette_{};  // By pixel of four planes.
  std::vector<ScanLine> lines_;
  std::vector<std::vector<Look>> rows_;            // Of text, as last drawn.
  std::array<std::array<u8, 0x2000>, 2> fonts_{};  // A, B: 256 characters of 32 lines.

  const u32* last_pixels_ = nullptr;  // Another picture than last time is drawn as a whole.
  u32 seen_epoch_ = 0;                // Pages with this stamp or a later one are new.
  bool everything_ = true;
  std::vector<u32> buffer_;  // A scan line in pixels of memory, before panning.
  DisplaySource::Change change_;
};

}  // namespace doppel::devices
