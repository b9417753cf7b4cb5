#pragma once

// The analogue half of an AC'97 sound card: 64 registers of 16 bits behind a serial link.
//
// Volumes are attenuations in steps of 1.5 dB with a mute bit above them. What the bus master
// plays goes through two of them: PCM out and master.

#include <array>

#include "cpu/base/archive.h"
#include "cpu/base/types.h"
#include "devices/audio.h"

namespace doppel::devices {

/// @source  Intel, "Audio Codec '97 Component Specification 2.3", "Mixer Registers"
class Ac97Codec {
 public:
  static constexpr unsigned kRegisterBytes = 0x80;
  static constexpr unsigned kFullRateHz = 48000;

  /// Registers have even numbers.
  u16 read(unsigned index) const;
  void write(unsigned index, u16 value);
  void reset();

  unsigned output_rate_hz() const { return registers_[kDacRate / 2]; }
  unsigned input_rate_hz() const { return registers_[kAdcRate / 2]; }
  unsigned microphone_rate_hz() const { return registers_[kMicrophoneRate / 2]; }
  /// A frame as it leaves the card.
  AudioFrame amplify(AudioFrame frame) const;

  void serialize(Archive& archive);

 private:
  static constexpr unsigned kDacRate = 0x2c;
  static constexpr unsigned kAdcRate = 0x32;
  static constexpr unsigned kMicrophoneRate = 0x34;

  void write_rate(unsigned index, u16 value, bool is_variable);
  void update_gains();

  std::array<u16, kRegisterBytes / 2> registers_{};
  // 16 bits behind the point, from the registers.
  i64 left_gain_ = 0;
  i64 right_gain_ = 0;
};

}  // namespace doppel::devices
