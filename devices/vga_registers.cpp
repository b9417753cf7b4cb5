#include "devices/vga_registers.h"

#include <algorithm>

#include "cpu/base/bits.h"

namespace doppel::devices {

namespace {

// Ports.
constexpr u16 kAttributeAddress = 0x3c0;
constexpr u16 kAttributeData = 0x3c1;
constexpr u16 kMiscOutput = 0x3c2;  // Reading: input status 0.
constexpr u16 kEnable = 0x3c3;
constexpr u16 kSequencerIndex = 0x3c4;
constexpr u16 kSequencerData = 0x3c5;
constexpr u16 kDacMask = 0x3c6;
constexpr u16 kDacReadIndex = 0x3c7;  // Reading: DAC state.
constexpr u16 kDacWriteIndex = 0x3c8;
constexpr u16 kDacData = 0x3c9;
constexpr u16 kFeatureControl = 0x3ca;
constexpr u16 kMiscRead = 0x3cc;
constexpr u16 kGraphicsIndex = 0x3ce;
constexpr u16 kGraphicsData = 0x3cf;
// Low digits of the ports that move between 3Bxh and 3Dxh.
constexpr unsigned kCrtcIndex = 0x4;
constexpr unsigned kCrtcData = 0x5;
constexpr unsigned kStatus = 0xa;  // Writing: feature control.

/// Input status 0: the sense line of the DAC, as with a colour monitor.
constexpr u8 kSense = 0x10;
constexpr u8 kNotVisible = 0x01;
constexpr u8 kRetrace = 0x08;
constexpr u8 kPaletteSource = 0x20;
constexpr u8 kScreenOff = 0x20;  // In the clocking mode register.
constexpr u8 kProtect = 0x80;    // In the vertical retrace end register.

// Bits that exist.
constexpr std::array<u8, 5> kSequencerBits{0x03, 0x3d, 0x0f, 0x3f, 0x0e};
constexpr std::array<u8, 9> kGraphicsBits{0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff};
constexpr u8 kPaletteBits = 0x3f;
constexpr std::array<u8, 5> kAttributeBits{0xef, 0xff, 0x3f, 0x0f, 0x0f};  // From 10h.

/// The two crystals; selections 2 and 3 are an external clock, which nothing provides.
constexpr u64 kClock25Khz = 25'175;
constexpr u64 kClock28Khz = 28'322;

/// @source  IBM PS/2 Technical Reference, "CRT Controller Registers"
VgaTiming timing_of(const std::array<u8, 25>& crtc, u8 clocking, u8 misc) {
  VgaTiming timing;
  const u8 overflow = crtc[7];
  timing.characters = crtc[0] + 5u;
  timing.visible_characters = crtc[1] + 1u;
  timing.lines = (crtc[6] | bit(overflow, 0) << 8 | bit(overflow, 5) << 9) + 2u;
  timing.visible_lines = (crtc[0x12] | bit(overflow, 1) << 8 | bit(overflow, 6) << 9) + 1u;
  // Programs wait for the retrace to come and to go, so it does both: a start below the last line
  // is moved to that line, a start in line 0 to the next.
  timing.retrace_first = std::clamp<unsigned>(
      crtc[0x10] | bit(overflow, 2) << 8 | bit(overflow, 7) << 9, 1, timing.lines - 1);
  // The end is compared in its four low bits: one to sixteen lines later.
  timing.retrace_end = timing.retrace_first + ((crtc[0x11] - timing.retrace_first - 1) & 0xf) + 1;

  const u64 dots = u64{timing.characters} * (bit(clocking, 0) ? 8 : 9) * (bit(clocking, 3) ? 2 : 1);
  const u64 clock_khz = bit_field(misc, 3, 2) == 1 ? kClock28Khz : kClock25Khz;
  timing.frame_ns = std::max<u64>(dots * timing.lines * 1'000'000 / clock_khz, 1);
  return timing;
}

}  // namespace

void VgaRegisters::reset() {
  misc_ = feature_control_ = 0;
  enable_ = 1;
  sequencer_index_ = graphics_index_ = crtc_index_ = attribute_index_ = 0;
  attribute_data_next_ = false;
  sequencer_.fill(0);
  graphics_.fill(0);
  crtc_.fill(0);
  attribute_.fill(0);
  dac_.fill(0);
  dac_latch_.fill(0);
  dac_mask_ = 0xff;
  dac_read_index_ = dac_write_index_ = dac_component_ = 0;
  dac_reading_ = dac_wide_ = false;
  timing_ = timing_of(crtc_, sequencer_[1], misc_);
  ++picture_generation_;
  ++window_generation_;
}

void VgaRegisters::change_picture(u8& stored, u8 value) {
  if (stored == value) return;
  stored = value;
  ++picture_generation_;
}

// --- What the registers mean -------------------------------------------------------------------

bool VgaRegisters::screen_on() const {
  return (attribute_index_ & kPaletteSource) != 0 && (sequencer_[1] & kScreenOff) == 0;
}

u32 VgaRegisters::colour(u8 index) const {
  const u8* entry = &dac_[3u * (index & dac_mask_)];
  u32 result = 0;
  for (unsigned i = 0; i < 3; ++i) {
    // Six bits to eight: full scale stays full scale.
    const u8 wide = dac_wide_ ? entry[i] : static_cast<u8>(entry[i] << 2 | (entry[i] & 0x3f) >> 4);
    result = result << 8 | wide;
  }
  return result;
}

/// @source  IBM PS/2 Technical Reference, "Attribute Controller Registers", "Color Select Register"
u8 VgaRegisters::dac_index(u8 pixel) const {
  const u8 select = attribute_[0x14];
  u8 entry = attribute_[pixel & attribute_[0x12] & 0xf];
  if (bit(attribute_[0x10], 7)) entry = static_cast<u8>((entry & 0x0f) | (select & 0x03) << 4);
  return static_cast<u8>(entry | (select & 0x0c) << 4);
}

void VgaRegisters::set_wide_dac(bool wide) {
  if (dac_wide_ == wide) return;
  dac_wide_ = wide;
  ++picture_generation_;
}

// --- Ports -------------------------------------------------------------------------------------

u8 VgaRegisters::read(u16 port, u64 now_ns) {
  switch (port) {
    case kAttributeAddress:
      return attribute_index_;
    case kAttributeData: {
      const unsigned index = attribute_index_ & 0x1f;
      return index < attribute_.size() ? attribute_[index] : 0xff;
    }
    case kMiscOutput:
      return kSense;
    case kEnable:
      return enable_;
    case kSequencerIndex:
      return sequencer_index_;
    case kSequencerData:
      return sequencer_index_ < sequencer_.size() ? sequencer_[sequencer_index_] : 0xff;
    case kDacMask:
      return dac_mask_;
    case kDacReadIndex:
      return dac_reading_ ? 3 : 0;
    case kDacWriteIndex:
      return dac_write_index_;
    case kDacData:
      return read_dac();
    case kFeatureControl:
      return feature_control_;
    case kMiscRead:
      return misc_;
    case kGraphicsIndex:
      return graphics_index_;
    case kGraphicsData:
      return graphics_index_ < graphics_.size() ? graphics_[graphics_index_] : 0xff;
    default:
      break;
  }
  const unsigned here = is_colour() ? 0x3d0 : 0x3b0;
  return (port & 0xff0u) == here ? read_crtc_port(port & 0xfu, now_ns) : 0xff;
}

void VgaRegisters::write(u16 port, u8 value) {
  switch (port) {
    case kAttributeAddress:
      return write_attribute(value);
    case kMiscOutput:
      if (misc_ == value) return;
      misc_ = value;
      timing_ = timing_of(crtc_, sequencer_[1], misc_);
      return;
    case kEnable:
      // Simplified: kept, but a card that is put to sleep this way stays awake.
      enable_ = value & 1;
      return;
    case kSequencerIndex:
      sequencer_index_ = value & 0x07;
      return;
    case kSequencerData:
      return write_sequencer(value);
    case kDacMask:
      return change_picture(dac_mask_, value);
    case kDacReadIndex:
      dac_read_index_ = value;
      dac_component_ = 0;
      dac_reading_ = true;
      return;
    case kDacWriteIndex:
      dac_write_index_ = value;
      dac_component_ = 0;
      dac_reading_ = false;
      return;
    case kDacData:
      return write_dac(value);
    case kGraphicsIndex:
      graphics_index_ = value & 0x0f;
      return;
    case kGraphicsData:
      return write_graphics(value);
    default:
      break;
  }
  const unsigned here = is_colour() ? 0x3d0 : 0x3b0;
  if ((port & 0xff0u) == here) write_crtc_port(port & 0xfu, value);
}

/// The other ports of the sixteen were the CGA's and the monochrome adapter's: nothing is there.
u8 VgaRegisters::read_crtc_port(unsigned port, u64 now_ns) {
  switch (port) {
    case kCrtcIndex:
      return crtc_index_;
    case kCrtcData:
      return crtc_index_ < crtc_.size() ? crtc_[crtc_index_] : 0xff;
    case kStatus: {
      attribute_data_next_ = false;
      const VgaTiming::Beam beam = timing_.beam(now_ns);
      return static_cast<u8>((beam.visible ? 0 : kNotVisible) | (beam.retrace ? kRetrace : 0));
    }
    default:
      return 0xff;
  }
}

void VgaRegisters::write_crtc_port(unsigned port, u8 value) {
  if (port == kCrtcIndex) crtc_index_ = value & 0x3f;
  if (port == kCrtcData) write_crtc(value);
  if (port == kStatus) feature_control_ = value & 0x0b;
}

/// Simplified: the palette can be written while it is in use (bit 5 of the address set), too.
void VgaRegisters::write_attribute(u8 value) {
  const bool data = attribute_data_next_;
  attribute_data_next_ = !data;
  if (!data) return change_picture(attribute_index_, value & 0x3f);
  const unsigned index = attribute_index_ & 0x1f;
  if (index < 0x10) {
    change_picture(attribute_[index], value & kPaletteBits);
  } else if (index < attribute_.size()) {
    change_picture(attribute_[index], value & kAttributeBits[index - 0x10]);
  }
}

void VgaRegisters::write_sequencer(u8 value) {
  const unsigned index = sequencer_index_;
  if (index >= sequencer_.size()) return;
  value &= kSequencerBits[index];
  if (sequencer_[index] == value) return;
  sequencer_[index] = value;
  ++window_generation_;
  // The map mask is for stores only, the reset register for nothing here.
  if (index != 0 && index != 2) ++picture_generation_;
  if (index == 1) timing_ = timing_of(crtc_, sequencer_[1], misc_);
}

void VgaRegisters::write_graphics(u8 value) {
  const unsigned index = graphics_index_;
  if (index >= graphics_.size()) return;
  value &= kGraphicsBits[index];
  const u8 changed = graphics_[index] ^ value;
  if (changed == 0) return;
  graphics_[index] = value;
  ++window_generation_;
  // How planes become pixels, and whether there are pixels at all.
  if ((index == 5 && (changed & 0x60) != 0) || (index == 6 && (changed & 1) != 0)) {
    ++picture_generation_;
  }
}

void VgaRegisters::write_crtc(u8 value) {
  const unsigned index = crtc_index_;
  if (index >= crtc_.size()) return;
  if ((crtc_[0x11] & kProtect) != 0 && index <= 7) {
    if (index != 7) return;
    // Line compare bit 8 stays open.
    value = static_cast<u8>((crtc_[7] & ~0x10) | (value & 0x10));
  }
  if (crtc_[index] == value) return;
  crtc_[index] = value;
  // Shape and place of the cursor are looked at with every picture.
  const bool cursor = index == 0x0a || index == 0x0b || index == 0x0e || index == 0x0f;
  if (!cursor) ++picture_generation_;
  timing_ = timing_of(crtc_, sequencer_[1], misc_);
}

// --- DAC ---------------------------------------------------------------------------------------

u8 VgaRegisters::read_dac() {
  const u8 value = dac_[3u * dac_read_index_ + dac_component_];
  if (++dac_component_ == 3) {
    dac_component_ = 0;
    ++dac_read_index_;
  }
  return value;
}

/// Three writes make an entry; it changes with the third.
void VgaRegisters::write_dac(u8 value) {
  if (!dac_wide_) value &= 0x3f;
  if (dac_component_ < 2) {
    dac_latch_[dac_component_++] = value;
    return;
  }
  u8* entry = &dac_[3u * dac_write_index_];
  change_picture(entry[0], dac_latch_[0]);
  change_picture(entry[1], dac_latch_[1]);
  change_picture(entry[2], value);
  dac_component_ = 0;
  ++dac_write_index_;
}

void VgaRegisters::serialize(Archive& archive) {
  archive(misc_, feature_control_, enable_, sequencer_index_, graphics_index_, crtc_index_,
          attribute_index_, attribute_data_next_, sequencer_, graphics_, crtc_, attribute_, dac_,
          dac_latch_, dac_mask_, dac_read_index_, dac_write_index_, dac_component_, dac_reading_,
          dac_wide_);
  if (dac_component_ > 2) {
    archive.fail("a VGA's DAC waits for a fourth component");
    dac_component_ = 0;
  }
  if (!archive.is_loading()) return;
  // Whoever reads registers relies on it that only existing bits are set.
  for (unsigned i = 0; i < sequencer_.size(); ++i) sequencer_[i] &= kSequencerBits[i];
  for (unsigned i = 0; i < graphics_.size(); ++i) graphics_[i] &= kGraphicsBits[i];
  for (unsigned i = 0; i < attribute_.size(); ++i) {
    attribute_[i] &= i < 0x10 ? kPaletteBits : kAttributeBits[i - 0x10];
  }
  timing_ = timing_of(crtc_, sequencer_[1], misc_);
  ++picture_generation_;
  ++window_generation_;
}

}  // namespace doppel::devices
