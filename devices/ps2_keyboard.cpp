#include "devices/ps2_keyboard.h"

namespace doppel::devices {

namespace {

enum Command : u8 {
  kSetLeds = 0xed,
  kEcho = 0xee,
  kScanSet = 0xf0,
  kReadId = 0xf2,
  kSetRate = 0xf3,
  kEnable = 0xf4,
  kDisable = 0xf5,
  kSetDefaults = 0xf6,
  kAllRepeat = 0xf7,
  kAllMakeBreak = 0xf8,
  kAllMake = 0xf9,
  kAllRepeatMakeBreak = 0xfa,
  kKeyRepeat = 0xfb,
  kKeyMakeBreak = 0xfc,
  kKeyMake = 0xfd,
  kResend = 0xfe,
  kReset = 0xff,
};

constexpr u8 kAck = 0xfa;
constexpr u8 kIdFirst = 0xab;
constexpr u8 kIdSecond = 0x83;
constexpr u8 kBreakPrefix = 0xf0;
constexpr u8 kPauseSetThree = 0x62;
/// No stroke has more bytes.
constexpr unsigned kLongestStroke = 8;

/// The type that a command gives to keys.
u8 type_of(u8 command) {
  switch (command) {
    case kAllRepeat:
    case kKeyRepeat:
      return key_type::kRepeats;
    case kAllMakeBreak:
    case kKeyMakeBreak:
      return key_type::kReleases;
    case kAllRepeatMakeBreak:
      return key_type::kRepeats | key_type::kReleases;
    default:
      return key_type::kMakeOnly;
  }
}

}  // namespace

void Ps2Keyboard::reset() { *this = Ps2Keyboard{}; }

void Ps2Keyboard::set_defaults() {
  rate_ = kDefaultRate;
  scan_set_ = 2;
  key_types_ = set_three_key_types();
  strokes_.clear();
  translator_.reset();
  parser_.reset();
  held_.reset();
}

bool Ps2Keyboard::command(u8 byte) {
  // A command in place of a parameter cancels the command that waited for it.
  const bool may_be_parameter = byte < kSetLeds;
  if (expecting_ != 0 && may_be_parameter && parameter(byte)) return false;
  expecting_ = 0;
  switch (byte) {
    case kSetLeds:
    case kScanSet:
    case kSetRate:
      answers_.push(kAck);
      expecting_ = byte;
      return false;
    case kKeyRepeat:
    case kKeyMakeBreak:
    case kKeyMake:
      answers_.push(kAck);
      expecting_ = byte;  // A list of keys, ended by the next command.
      return false;
    case kEcho:
      answers_.push(kEcho);
      return false;
    case kReadId:
      answers_.push(kAck);
      answers_.push(kIdFirst);
      answers_.push(kIdSecond);
      return false;
    case kEnable:
      answers_.push(kAck);
      strokes_.clear();
      scanning_ = true;
      return false;
    case kDisable:
      answers_.push(kAck);
      set_defaults();
      scanning_ = false;
      return false;
    case kSetDefaults:
      answers_.push(kAck);
      set_defaults();
      scanning_ = true;
      return false;
    case kAllRepeat:
    case kAllMake:
    case kAllMakeBreak:
    case kAllRepeatMakeBreak:
      answers_.push(kAck);
      key_types_.fill(type_of(byte));
      return false;
    case kResend:
      answers_.push(last_sent_);
      return false;
    case kReset:
      reset();
      answers_.push(kAck);
      return true;
    default:
      answers_.push(kResend);
      return false;
  }
}

/// False: this was no parameter of the command that waits for one.
bool Ps2Keyboard::parameter(u8 byte) {
  const u8 command = expecting_;
  if (command == kKeyRepeat || command == kKeyMakeBreak || command == kKeyMake) {
    answers_.push(kAck);
    key_types_[byte] = type_of(command);
    return true;
  }
  expecting_ = 0;
  switch (command) {
    case kSetLeds:
      leds_ = byte & 7;
      answers_.push(kAck);
      return true;
    case kSetRate:
      rate_ = byte & 0x7f;
      answers_.push(kAck);
      return true;
    default:  // kScanSet
      if (byte > 3) {
        answers_.push(kResend);
        return true;
      }
      answers_.push(kAck);
      if (byte == 0) {
        answers_.push(scan_set_);
      } else {
        scan_set_ = byte;
        strokes_.clear();
      }
      return true;
  }
}

u8 Ps2Keyboard::take_output() {
  last_sent_ = answers_.empty() ? strokes_.pop() : answers_.pop();
  return last_sent_;
}

/// No stroke becomes longer than it came in.
unsigned Ps2Keyboard::room() const {
  const unsigned free = strokes_.room();
  const unsigned kept = parser_.waiting() + kLongestStroke;
  return free > kept ? free - kept : 0;
}

void Ps2Keyboard::receive(u8 byte) {
  const std::optional<KeyStroke> stroke = parser_.take(byte);
  if (!stroke || !scanning_) return;
  const bool is_held = held_ && held_->same_key(*stroke);
  if (stroke->is_release) {
    if (is_held) held_.reset();
  } else if (!stroke->is_pause && !stroke->is_fake_shift()) {
    if (is_held) return;  // The host's own repetition.
    held_ = stroke;
  }
  send(*stroke, parser_.bytes());
}

/// What does not fit is lost: room() told how much may come.
void Ps2Keyboard::send(const KeyStroke& stroke, std::span<const u8> bytes) {
  if (scan_set_ == 3) return send_set_three(stroke);
  if (strokes_.room() < bytes.size()) return;
  for (const u8 byte : bytes) {
    u8 code = byte;
    if (scan_set_ == 1 && !translator_.translate(byte, code)) continue;
    strokes_.push(code);
  }
}

void Ps2Keyboard::send_set_three(const KeyStroke& stroke) {
  if (stroke.is_fake_shift()) return;
  const u8 code = stroke.is_pause ? kPauseSetThree : set_three_code(stroke.code, stroke.extended);
  if (code == 0 || strokes_.room() < 2) return;
  if (stroke.is_release) {
    if ((key_types_[code] & key_type::kReleases) == 0) return;
    strokes_.push(kBreakPrefix);
  }
  strokes_.push(code);
}

// --- Repetition ---

/// @source  IBM PS/2 Hardware Interface Technical Reference, "Set Typematic Rate/Delay (Hex F3)"
u64 Ps2Keyboard::repeat_delay_ns() const {
  constexpr u64 kStepNs = 250'000'000;
  return ((rate_ >> 5 & 3) + u64{1}) * kStepNs;
}

u64 Ps2Keyboard::repeat_period_ns() const {
  constexpr u64 kStepNs = 4'170'000;
  return ((rate_ & 7) + u64{8}) * (u64{1} << (rate_ >> 3 & 3)) * kStepNs;
}

void Ps2Keyboard::repeat() {
  if (!held_ || !scanning_) return;
  const u8 code = set_three_code(held_->code, held_->extended);
  if (scan_set_ == 3 && (key_types_[code] & key_type::kRepeats) == 0) return;
  // A key that is held while nobody reads must not drive out others.
  if (strokes_.room() <= kLongestStroke) return;
  constexpr u8 kExtendedPrefix = 0xe0;
  const std::array<u8, 2> bytes{kExtendedPrefix, held_->code};
  send(*held_, std::span(bytes).subspan(held_->extended ? 0 : 1));
}

void Ps2Keyboard::serialize(Archive& archive) {
  archive(answers_, strokes_, translator_, expecting_, last_sent_, leds_, rate_, scan_set_,
          scanning_, key_types_, parser_, held_);
}

}  // namespace doppel::devices
