#include "devices/sb16.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "cpu/base/log.h"

namespace doppel::devices {

namespace {

// Ports.
constexpr unsigned kMixerIndex = 0x4;
constexpr unsigned kMixerData = 0x5;
constexpr unsigned kDspReset = 0x6;
constexpr unsigned kDspRead = 0xa;
constexpr unsigned kDspWrite = 0xc;
constexpr unsigned kDspStatus = 0xe;
constexpr unsigned kEnd16 = 0xf;

/// Bit 7 of a status port; the others are not driven.
constexpr u8 kStatusBit = 0x80;
constexpr u8 kUndriven = 0x7f;

enum Command : u8 {
  kDirectOutput = 0x10,
  kOutput8 = 0x14,
  kOutput8Auto = 0x1c,
  kDirectInput = 0x20,
  kInput8 = 0x24,
  kInput8Auto = 0x2c,
  kTimeConstant = 0x40,
  kOutputRate = 0x41,
  kInputRate = 0x42,
  kContinueAuto8 = 0x45,
  kContinueAuto16 = 0x47,
  kBlockSize = 0x48,
  kSilence = 0x80,
  kOutput8HighSpeedAuto = 0x90,
  kOutput8HighSpeed = 0x91,
  kInput8HighSpeedAuto = 0x98,
  kInput8HighSpeed = 0x99,
  kFirst16 = 0xb0,  // B0h..BFh, C0h..CFh: the commands of the SB16 itself
  kFirst8 = 0xc0,
  kPause8 = 0xd0,
  kSpeakerOn = 0xd1,
  kSpeakerOff = 0xd3,
  kContinue8 = 0xd4,
  kPause16 = 0xd5,
  kContinue16 = 0xd6,
  kSpeakerStatus = 0xd8,
  kExitAuto16 = 0xd9,
  kExitAuto8 = 0xda,
  kIdentify = 0xe0,
  kVersion = 0xe1,
  kCopyright = 0xe3,
  kWriteTest = 0xe4,
  kReadTest = 0xe8,
  kInterrupt8 = 0xf2,
  kInterrupt16 = 0xf3,
};

constexpr u8 kVersionMajor = 4;
constexpr u8 kVersionMinor = 5;
constexpr u8 kReady = 0xaa;
constexpr std::string_view kCopyrightText = "COPYRIGHT (C) CREATIVE TECHNOLOGY LTD, 1992.";

// B0h and C0h: bits of the command and of its mode.
constexpr u8 kIsInput = 0x08;
constexpr u8 kIsAuto = 0x04;
constexpr u8 kModeSigned = 0x10;
constexpr u8 kModeStereo = 0x20;

// IRQ status, mixer register 82h.
constexpr u8 kStatus8 = 0x01;
constexpr u8 kStatus16 = 0x02;

constexpr unsigned kLowestRate = 4000;
constexpr unsigned kHighestRate = 48000;
constexpr u64 kNsPerSecond = 1'000'000'000;
/// Between two deliveries of sound.
constexpr u64 kTurnNs = 10'000'000;
constexpr unsigned kDirectRate = 44100;
/// Direct samples that are further apart than this do not belong together.
constexpr u64 kDirectGap = kDirectRate / 20;

unsigned parameters_of(u8 command) {
  if (command >= kFirst16 && command < kPause8) return 3;
  switch (command) {
    case 0x05:  // Of the advanced signal processor, which is not there
    case 0x0e:
    case kOutput8:
    case 0x16:  // ADPCM
    case 0x17:
    case kInput8:
    case kOutputRate:
    case kInputRate:
    case kBlockSize:
    case 0x74:
    case 0x75:
    case 0x76:
    case 0x77:
    case kSilence:
      return 2;
    case 0x04:
    case 0x0f:
    case kDirectOutput:
    case 0x38:  // A byte of MIDI
    case kTimeConstant:
    case kIdentify:
    case 0xe2:
    case kWriteTest:
    case 0xf9:
      return 1;
    default:
      return 0;
  }
}

}  // namespace

Sb16::Sb16(Scheduler& scheduler, std::function<IrqLine&(unsigned)> isa_line, Dma8237Pair& dma,
           AudioSink* sink)
    : scheduler_(scheduler),
      isa_line_(std::move(isa_line)),
      dma_(dma),
      sink_(sink),
      event_(scheduler.add("sb16.turn",
                           [this] {
                             advance();
                             settle();
                           })),
      ports_(*this, &Sb16::read_port, &Sb16::write_port) {}

// --- Ports ---

u8 Sb16::read_port(unsigned offset) {
  switch (offset) {
    case kMixerIndex:
      return mixer_index_;
    case kMixerData:
      advance();
      settle();
      if (mixer_index_ == Sb16Mixer::kIrqStatus)
        return static_cast<u8>((irq_8_ ? kStatus8 : 0) | (irq_16_ ? kStatus16 : 0));
      return mixer_.read(mixer_index_);
    case kDspRead:
      if (!answers_.empty()) last_answer_ = answers_.pop();
      return last_answer_;
    case kDspWrite:
      return kUndriven;  // It takes commands at any time.
    case kDspStatus:
      irq_8_ = false;
      update_irq();
      return static_cast<u8>(kUndriven | (answers_.empty() ? 0 : kStatusBit));
    case kEnd16:
      irq_16_ = false;
      update_irq();
      return 0xff;
    default:
      return 0xff;
  }
}

void Sb16::write_port(unsigned offset, u8 value) {
  switch (offset) {
    case kMixerIndex:
      mixer_index_ = value;
      break;
    case kMixerData:
      advance();
      mixer_.write(mixer_index_, value);
      update_irq();
      break;
    case kDspReset:
      write_reset(value);
      break;
    case kDspWrite:
      advance();
      write_dsp(value);
      settle();
      break;
    default:
      break;
  }
}

void Sb16::write_reset(u8 value) {
  const bool is_high = (value & 1) != 0;
  if (in_reset_ && !is_high) {
    advance();
    transfer_.reset();
    answers_.clear();
    has_command_ = false;
    irq_8_ = irq_16_ = false;
    speaker_on_ = false;
    answers_.push(kReady);
    update_irq();
    settle();
  }
  in_reset_ = is_high;
}

// --- Commands ---

void Sb16::write_dsp(u8 value) {
  if (!has_command_) {
    command_ = value;
    has_command_ = true;
    parameter_count_ = 0;
  } else {
    parameters_[parameter_count_++] = value;
  }
  if (parameter_count_ < parameters_of(command_)) return;
  has_command_ = false;
  execute();
}

void Sb16::execute() {
  if (command_ >= kFirst16 && command_ < kPause8) return execute_transfer();
  switch (command_) {
    case kDirectOutput:
      return play_direct(parameters_[0]);
    case kDirectInput:
      answers_.push(0x80);  // Nobody speaks.
      break;
    case kTimeConstant:
      set_rate(1'000'000u / (256u - parameters_[0]));
      break;
    case kOutputRate:
    case kInputRate:
      set_rate(parameters_[0] << 8u | parameters_[1]);
      break;
    case kBlockSize:
      block_ = parameter_word() + 1u;
      break;
    case kOutput8:
    case kOutput8Auto:
    case kOutput8HighSpeed:
    case kOutput8HighSpeedAuto:
    case kInput8:
    case kInput8Auto:
    case kInput8HighSpeed:
    case kInput8HighSpeedAuto:
    case kSilence:
      execute_old_transfer();
      break;
    case kContinueAuto8:
    case kContinueAuto16:
      transfer_.repeat();
      break;
    case kPause8:
    case kPause16:
      transfer_.pause();
      break;
    case kContinue8:
    case kContinue16:
      transfer_.resume(scheduler_.now_ns());
      break;
    case kExitAuto8:
    case kExitAuto16:
      transfer_.stop_repeating();
      break;
    case kSpeakerOn:  // Since the SB16 no more than a note to oneself.
    case kSpeakerOff:
      speaker_on_ = command_ == kSpeakerOn;
      break;
    case kSpeakerStatus:
      answers_.push(speaker_on_ ? 0xff : 0x00);
      break;
    case kIdentify:
      answers_.push(static_cast<u8>(~parameters_[0]));
      break;
    case kVersion:
      answers_.push(kVersionMajor);
      answers_.push(kVersionMinor);
      break;
    case kCopyright:
      answer_copyright();
      break;
    case kWriteTest:
      test_register_ = parameters_[0];
      break;
    case kReadTest:
      answers_.push(test_register_);
      break;
    case kInterrupt8:
    case kInterrupt16:
      raise(command_ == kInterrupt16);
      break;
    default:
      log::warn("sb16", "DSP command 0x%x is not known", command_);
      break;
  }
}

void Sb16::answer_copyright() {
  answers_.clear();
  for (const char c : kCopyrightText) answers_.push(static_cast<u8>(c));
  answers_.push(0);
}

/// B?h and C?h: mode, then the length less one.
void Sb16::execute_transfer() {
  Sb16Transfer::Format format;
  format.is_wide = command_ < kFirst8;
  format.is_input = (command_ & kIsInput) != 0;
  format.repeats = (command_ & kIsAuto) != 0;
  format.is_stereo = (parameters_[0] & kModeStereo) != 0;
  format.is_signed = (parameters_[0] & kModeSigned) != 0;
  start(format, (parameters_[1] | parameters_[2] << 8u) + 1u);
}

/// The older cards': 8 bits, mono, the length in the command or set before.
void Sb16::execute_old_transfer() {
  Sb16Transfer::Format format;
  format.is_input = command_ == kInput8 || command_ == kInput8Auto ||
                    command_ == kInput8HighSpeed || command_ == kInput8HighSpeedAuto;
  format.repeats = command_ == kOutput8Auto || command_ == kInput8Auto ||
                   command_ == kOutput8HighSpeedAuto || command_ == kInput8HighSpeedAuto;
  format.is_silence = command_ == kSilence;
  const bool has_length = parameters_of(command_) == 2;
  start(format, has_length ? parameter_word() + 1u : block_);
}

void Sb16::start(const Sb16Transfer::Format& format, u32 samples) {
  transfer_.start(format, samples, rate_hz_, scheduler_.now_ns());
}

void Sb16::set_rate(unsigned rate_hz) { rate_hz_ = std::clamp(rate_hz, kLowestRate, kHighestRate); }

/// A level that stays until the next one.
void Sb16::play_direct(u8 value) {
  const u64 now = static_cast<u64>(u128{scheduler_.now_ns()} * kDirectRate / kNsPerSecond);
  if (sink_ != nullptr && now > direct_frame_ && now - direct_frame_ <= kDirectGap) {
    frames_.assign(now - direct_frame_, mixer_.amplify({direct_level_, direct_level_}));
    const u64 start_ns = static_cast<u64>(u128{direct_frame_} * kNsPerSecond / kDirectRate);
    sink_->play(start_ns, kDirectRate, frames_);
  }
  direct_frame_ = now;
  direct_level_ = static_cast<i16>((value - 128) * 256);
}

// --- Time and interrupts ---

DmaChannel Sb16::channel() {
  const unsigned chosen = transfer_.format().is_wide ? mixer_.word_channel() : mixer_.byte_channel();
  // Channel 4 never answers: it is where the controllers are plugged together.
  return dma_.channel(chosen == Sb16Mixer::kNoChannel ? 4 : chosen);
}

void Sb16::advance() {
  frames_.clear();
  const u64 start_ns = transfer_.position_ns();
  const bool is_wide = transfer_.format().is_wide;
  const unsigned blocks = transfer_.advance(scheduler_.now_ns(), channel(), frames_);
  if (sink_ != nullptr && !frames_.empty()) {
    for (AudioFrame& frame : frames_) frame = mixer_.amplify(frame);
    sink_->play(start_ns, transfer_.rate_hz(), frames_);
  }
  if (blocks != 0) raise(is_wide);
}

void Sb16::settle() {
  u64 next = transfer_.end_ns();
  if (next != Scheduler::kNever)
    next = std::min(next, (scheduler_.now_ns() / kTurnNs + 1) * kTurnNs);
  scheduler_.schedule(event_, next);
}

void Sb16::raise(bool is_wide) {
  (is_wide ? irq_16_ : irq_8_) = true;
  update_irq();
}

/// One line for both, the one that the mixer names.
void Sb16::update_irq() {
  const unsigned wanted = irq_8_ || irq_16_ ? mixer_.irq() : 0;
  if (wanted == irq_) return;
  if (irq_ != 0) isa_line_(irq_).set(false);
  irq_ = wanted;
  if (irq_ != 0) isa_line_(irq_).set(true);
}

// --- State ---

void Sb16::reset() {
  mixer_ = {};
  mixer_.reset();
  midi_.reset();
  transfer_.reset();
  answers_.clear();
  last_answer_ = 0xff;
  mixer_index_ = 0;
  in_reset_ = has_command_ = speaker_on_ = irq_8_ = irq_16_ = false;
  command_ = parameter_count_ = test_register_ = 0;
  rate_hz_ = 11025;
  block_ = 0x800;
  update_irq();
  settle();
}

void Sb16::serialize(Archive& archive) {
  archive(mixer_, midi_, answers_, last_answer_, mixer_index_, in_reset_, command_, has_command_,
          parameter_count_, parameters_, rate_hz_, block_, test_register_, speaker_on_, irq_8_,
          irq_16_, irq_);
  transfer_.serialize(archive, scheduler_.now_ns());
  if (!archive.is_loading()) return;
  if (parameter_count_ > kMostParameters || irq_ > 15) {
    archive.fail("a sound card waits for more than there is");
    parameter_count_ = 0;
    irq_ = 0;
  }
  // A command that waits has a parameter to come.
  if (has_command_ && parameter_count_ >= parameters_of(command_)) has_command_ = false;
  rate_hz_ = std::clamp<u32>(rate_hz_, kLowestRate, kHighestRate);
}

}  // namespace doppel::devices
