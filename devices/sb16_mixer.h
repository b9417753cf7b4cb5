#pragma once

// The mixer of a Sound Blaster 16: volumes of many sources, of which this card has one (voice), and
// the two registers that say which lines the card uses.
//
// The two older mixers' registers are views of the same volumes: four bits a side, side by side.

#include <array>

#include "cpu/base/archive.h"
#include "cpu/base/types.h"
#include "devices/audio.h"

namespace doppel::devices {

/// The CT1745.
/// @source  Creative, "Sound Blaster Series Hardware Programming Guide", "CT1745 Mixer"
class Sb16Mixer {
 public:
  static constexpr unsigned kIrqSelect = 0x80;
  static constexpr unsigned kDmaSelect = 0x81;
  static constexpr unsigned kIrqStatus = 0x82;

  u8 read(unsigned index) const;
  void write(unsigned index, u8 value);
  void reset();

  /// Which interrupt is chosen: 2, 5, 7 or 10; 0: none.
  unsigned irq() const;
  /// The channels; 8: none is chosen.
  static constexpr unsigned kNoChannel = 8;
  unsigned byte_channel() const;
  unsigned word_channel() const;
  /// A frame as it leaves the card.
  AudioFrame amplify(AudioFrame frame) const;

  void serialize(Archive& archive) { archive(registers_); }

 private:
  std::array<u8, 256> registers_{};
};

}  // namespace doppel::devices
