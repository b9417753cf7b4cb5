#include "devices/sb16_mixer.h"

#include "cpu/base/bits.h"

namespace doppel::devices {

namespace {

constexpr unsigned kResetIndex = 0x00;
constexpr unsigned kMasterLeft = 0x30;
constexpr unsigned kVoiceLeft = 0x32;

/// Where an older mixer's register finds its left volume; the right one is behind it.
struct OldRegister {
  u8 index;
  u8 left;
};
constexpr OldRegister kOldRegisters[] = {
    {0x04, kVoiceLeft}, {0x22, kMasterLeft}, {0x26, 0x34}, {0x28, 0x36}, {0x2e, 0x38}};

struct Default {
  u8 index;
  u8 value;
};
constexpr Default kDefaults[] = {{kMasterLeft, 0xc0}, {0x31, 0xc0}, {kVoiceLeft, 0xc0}, {0x33, 0xc0},
                                 {0x34, 0xc0},        {0x35, 0xc0}, {0x3c, 0x1f},       {0x3d, 0x15},
                                 {0x3e, 0x0b},        {0x44, 0x80}, {0x45, 0x80},       {0x46, 0x80},
                                 {0x47, 0x80}};
/// As a card is delivered: IRQ 5, channels 1 and 5.
constexpr u8 kDefaultIrq = 0x02;
constexpr u8 kDefaultDma = 0x22;

const OldRegister* find_old(unsigned index) {
  for (const OldRegister& one : kOldRegisters) {
    if (one.index == index) return &one;
  }
  return nullptr;
}

/// Volumes go up in 32 steps of 2 dB to 0 dB; 16 bits behind the point.
constexpr std::array<i32, 32> make_gains() {
  constexpr double kStep = 0.7943282347242815;  // -2 dB
  std::array<i32, 32> gains{};
  double gain = 65536;
  for (size_t i = gains.size(); i-- > 0;) {
    gains[i] = static_cast<i32>(gain + 0.5);
    gain *= kStep;
  }
  return gains;
}
constexpr std::array<i32, 32> kGain = make_gains();

i16 scaled(i16 sample, u8 voice, u8 master) {
  const i64 gain = i64{kGain[voice >> 3]} * kGain[master >> 3] / 65536;
  return static_cast<i16>(sample * gain / 65536);
}

}  // namespace

void Sb16Mixer::reset() {
  const u8 irq = registers_[kIrqSelect];
  const u8 dma = registers_[kDmaSelect];
  registers_ = {};
  for (const Default& one : kDefaults) registers_[one.index] = one.value;
  // Software's reset leaves the lines alone.
  registers_[kIrqSelect] = irq != 0 ? irq : kDefaultIrq;
  registers_[kDmaSelect] = dma != 0 ? dma : kDefaultDma;
}

u8 Sb16Mixer::read(unsigned index) const {
  index &= 0xff;
  if (const OldRegister* const old = find_old(index)) {
    return static_cast<u8>((registers_[old->left] & 0xf0) | registers_[old->left + 1u] >> 4);
  }
  if (index == kIrqSelect) return static_cast<u8>(0xf0 | registers_[index]);
  return registers_[index];
}

void Sb16Mixer::write(unsigned index, u8 value) {
  index &= 0xff;
  if (index == kResetIndex) return reset();
  if (index == kIrqStatus) return;
  if (const OldRegister* const old = find_old(index)) {
    // The lowest of the five bits is set along, so that the largest volume is the largest.
    registers_[old->left] = static_cast<u8>((value & 0xf0) | 0x08);
    registers_[old->left + 1u] = static_cast<u8>(value << 4 | 0x08);
    return;
  }
  if (index == kIrqSelect) value &= 0x0f;
  if (index == kDmaSelect) value &= 0xeb;
  registers_[index] = value;
}

unsigned Sb16Mixer::irq() const {
  constexpr std::array<u8, 4> kIrqs{2, 5, 7, 10};
  for (unsigned i = 0; i < kIrqs.size(); ++i) {
    if (bit(registers_[kIrqSelect], i)) return kIrqs[i];
  }
  return 0;
}

unsigned Sb16Mixer::byte_channel() const {
  for (const unsigned channel : {0u, 1u, 3u}) {
    if (bit(registers_[kDmaSelect], channel)) return channel;
  }
  return kNoChannel;
}

/// Without a word channel, words go over the byte channel.
unsigned Sb16Mixer::word_channel() const {
  for (const unsigned channel : {5u, 6u, 7u}) {
    if (bit(registers_[kDmaSelect], channel)) return channel;
  }
  return byte_channel();
}

AudioFrame Sb16Mixer::amplify(AudioFrame frame) const {
  return {scaled(frame.left, registers_[kVoiceLeft], registers_[kMasterLeft]),
          scaled(frame.right, registers_[kVoiceLeft + 1], registers_[kMasterLeft + 1])};
}

}  // namespace doppel::devices
