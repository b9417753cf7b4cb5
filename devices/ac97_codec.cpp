#include "devices/ac97_codec.h"

#include <algorithm>
#include <limits>

#include "cpu/base/bits.h"

namespace doppel::devices {

namespace {

constexpr unsigned kReset = 0x00;
constexpr unsigned kMasterVolume = 0x02;
constexpr unsigned kPcmOutVolume = 0x18;
constexpr unsigned kExtendedId = 0x28;
constexpr unsigned kExtendedControl = 0x2a;

constexpr u16 kVra = 0x0001;  // Variable rates of PCM,
constexpr u16 kVrm = 0x0008;  // and of the microphone.
constexpr u16 kLowestRate = 4000;

constexpr u16 kMute = 0x8000;
/// A volume that says 0 dB in a register which goes up to +12 dB.
constexpr int kStepsAboveZero = 8;

struct Register {
  u8 index;
  u16 initial;
  u16 writable;
  bool is_volume;  // Bit 5 of an attenuation is too much, and stands for the largest.
};

/// What is not here reads as zero.
// clang-format off
constexpr Register kRegisters[] = {
  {kMasterVolume,    0x8000, 0x9f1f, true},
  {0x06,             0x8000, 0x801f, true},   // Mono volume
  {0x0a,             0x0000, 0x801e, false},  // PC beep
  {0x0c,             0x8008, 0x801f, true},   // Phone
  {0x0e,             0x8008, 0x805f, true},   // Microphone
  {0x10,             0x8808, 0x9f1f, true},   // Line in
  {0x12,             0x8808, 0x9f1f, true},   // CD
  {0x14,             0x8808, 0x9f1f, true},   // Video
  {0x16,             0x8808, 0x9f1f, true},   // Aux
  {kPcmOutVolume,    0x8808, 0x9f1f, true},
  {0x1a,             0x0000, 0x0707, false},  // Record select
  {0x1c,             0x8000, 0x8f0f, false},  // Record gain
  {0x20,             0x0000, 0x0380, false},  // General purpose
  {0x26,             0x000f, 0xff00, false},  // Powerdown: all sections are ready
  {kExtendedId,      kVra | kVrm, 0, false},
  {kExtendedControl, 0x0000, kVra | kVrm, false},
  {0x2c,             0xbb80, 0,      false},  // Rates have rules of their own.
  {0x32,             0xbb80, 0,      false},
  {0x34,             0xbb80, 0,      false},
  {0x7c,             0x8384, 0,      false},  // A SigmaTel STAC9700, as drivers know it from
  {0x7e,             0x7600, 0,      false},  // other virtual machines
};
// clang-format on

const Register* find(unsigned index) {
  for (const Register& one : kRegisters) {
    if (one.index == index) return &one;
  }
  return nullptr;
}

/// Gains from +12 dB down to -46.5 dB, and those of two volumes added up.
constexpr unsigned kGains = 64;
constexpr std::array<i64, kGains> make_gains() {
  constexpr double kPlus12Db = 3.981071705534973;
  constexpr double kStep = 0.8413951416451951;  // -1.5 dB
  std::array<i64, kGains> gains{};
  double gain = kPlus12Db * 65536;
  for (i64& one : gains) {
    one = static_cast<i64>(gain + 0.5);
    gain *= kStep;
  }
  return gains;
}
constexpr std::array<i64, kGains> kGain = make_gains();

/// The sum of two attenuations, the first counted from 0 dB, the second from +12 dB.
i64 gain_of(unsigned master, unsigned pcm) { return kGain[std::min(master + pcm, kGains - 1)]; }

i16 scaled(i16 sample, i64 gain) {
  using Limits = std::numeric_limits<i16>;
  return static_cast<i16>(std::clamp<i64>((sample * gain) / 65536, Limits::min(), Limits::max()));
}

}  // namespace

void Ac97Codec::reset() {
  registers_ = {};
  for (const Register& one : kRegisters) registers_[one.index / 2] = one.initial;
  update_gains();
}

u16 Ac97Codec::read(unsigned index) const { return registers_[index / 2 % registers_.size()]; }

void Ac97Codec::write(unsigned index, u16 value) {
  index %= kRegisterBytes;
  if (index == kReset) return reset();
  const Register* const found = find(index);
  if (found == nullptr) return;
  if (found->is_volume) {
    if (bit(value, 5)) value |= 0x001f;
    if (bit(value, 13)) value |= 0x1f00;
  }
  u16& stored = registers_[index / 2];
  stored = static_cast<u16>((stored & ~found->writable) | (value & found->writable));
  const u16 variable = registers_[kExtendedControl / 2];
  switch (index) {
    case kDacRate:
    case kAdcRate:
      write_rate(index, value, (variable & kVra) != 0);
      break;
    case kMicrophoneRate:
      write_rate(index, value, (variable & kVrm) != 0);
      break;
    case kExtendedControl:
      if ((variable & kVra) == 0) registers_[kDacRate / 2] = registers_[kAdcRate / 2] = kFullRateHz;
      if ((variable & kVrm) == 0) registers_[kMicrophoneRate / 2] = kFullRateHz;
      break;
    default:
      break;
  }
  update_gains();
}

/// A rate out of range becomes the nearest there is; software reads back what it got.
void Ac97Codec::write_rate(unsigned index, u16 value, bool is_variable) {
  if (is_variable)
    registers_[index / 2] = std::clamp<u16>(value, kLowestRate, u16{kFullRateHz});
}

void Ac97Codec::update_gains() {
  const u16 master = registers_[kMasterVolume / 2];
  const u16 pcm = registers_[kPcmOutVolume / 2];
  if (((master | pcm) & kMute) != 0) {
    left_gain_ = right_gain_ = 0;
    return;
  }
  static_assert(kGain[kStepsAboveZero] > 65'000 && kGain[kStepsAboveZero] < 66'000);
  left_gain_ = gain_of(master >> 8 & 31, pcm >> 8 & 31);
  right_gain_ = gain_of(master & 31, pcm & 31);
}

AudioFrame Ac97Codec::amplify(AudioFrame frame) const {
  return {scaled(frame.left, left_gain_), scaled(frame.right, right_gain_)};
}

void Ac97Codec::serialize(Archive& archive) {
  archive(registers_);
  if (!archive.is_loading()) return;
  for (const unsigned index : {kDacRate, kAdcRate, kMicrophoneRate}) {
    const u16 rate = registers_[index / 2];
    if (rate >= kLowestRate && rate <= kFullRateHz) continue;
    archive.fail("an AC'97 codec has a rate that it cannot have");
    registers_[index / 2] = kFullRateHz;
  }
  update_gains();
}

}  // namespace doppel::devices
