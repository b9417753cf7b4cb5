#pragma once

// The registers of the VGA: five units behind a handful of ports.
//
//   3C0h-3C1h  attribute controller: one port for index and data, a flip-flop says which
//   3C2h/3CCh  miscellaneous output     3C4h-3C5h  sequencer       3C6h-3C9h  DAC
//   3CEh-3CFh  graphics controller      3x4h-3x5h  CRT controller  3xAh       status
//
// x is B (monochrome) or D (colour), as bit 0 of miscellaneous output says; the other three ports
// are empty. Registers are kept as software wrote them; what they mean is read from them by
// VgaMemory (the window), VgaTiming (the beam) and VgaRenderer (the picture). Two counters tell
// these when something of theirs changed.

#include <array>

#include "cpu/base/archive.h"
#include "cpu/base/types.h"
#include "devices/vga_timing.h"

namespace doppel::devices {

/// @source  IBM Personal System/2 Hardware Interface Technical Reference, "Video Subsystem";
///          FreeVGA, "VGA Registers"
class VgaRegisters {
 public:
  static constexpr u16 kMonoPorts = 0x3b0;
  static constexpr u16 kMonoPortCount = 12;  // 3BCh and up belong to a parallel port.
  static constexpr u16 kPorts = 0x3c0;
  static constexpr u16 kPortCount = 32;

  VgaRegisters() { reset(); }

  u8 read(u16 port, u64 now_ns);
  void write(u16 port, u8 value);

  u8 sequencer(unsigned index) const { return sequencer_[index]; }
  u8 graphics(unsigned index) const { return graphics_[index]; }
  u8 crtc(unsigned index) const { return crtc_[index]; }
  u8 attribute(unsigned index) const { return attribute_[index]; }

  /// The screen is not blanked: by the attribute address register, by the clocking mode.
  bool screen_on() const;
  const VgaTiming& timing() const { return timing_; }
  /// What DAC entry `index` shows, as 00RRGGBBh.
  u32 colour(u8 index) const;
  /// The DAC entry that four bits from the planes (or a text attribute) lead to.
  u8 dac_index(u8 pixel) const;
  /// Components of the DAC have eight bits instead of six.
  void set_wide_dac(bool wide);

  /// Changes whenever something changed that the whole picture depends on (not the cursor).
  u32 picture_generation() const { return picture_generation_; }
  /// Changes whenever the memory window may work differently.
  u32 window_generation() const { return window_generation_; }

  void reset();
  void serialize(Archive& archive);

 private:
  bool is_colour() const { return (misc_ & 1) != 0; }
  u8 read_crtc_port(unsigned port, u64 now_ns);
  void write_crtc_port(unsigned port, u8 value);
  void write_attribute(u8 value);
  void write_sequencer(u8 value);
  void write_graphics(u8 value);
  void write_crtc(u8 value);
  u8 read_dac();
  void write_dac(u8 value);
  void change_picture(u8& stored, u8 value);

  u8 misc_ = 0;
  u8 feature_control_ = 0;
  u8 enable_ = 0;
  u8 sequencer_index_ = 0;
  u8 graphics_index_ = 0;
  u8 crtc_index_ = 0;
  u8 attribute_index_ = 0;  // With the palette address source, bit 5.
  bool attribute_data_next_ = false;
  std::array<u8, 5> sequencer_{};
  std::array<u8, 9> graphics_{};
  std::array<u8, 25> crtc_{};
  std::array<u8, 21> attribute_{};

  std::array<u8, 768> dac_{};
  std::array<u8, 2> dac_latch_{};  // Red and green wait for blue.
  u8 dac_mask_ = 0xff;
  u8 dac_read_index_ = 0;
  u8 dac_write_index_ = 0;
  u8 dac_component_ = 0;
  bool dac_reading_ = false;
  bool dac_wide_ = false;

  VgaTiming timing_;
  u32 picture_generation_ = 1;
  u32 window_generation_ = 1;
};

}  // namespace doppel::devices
