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
constexpr u8 kExtendedPrefix = 0xe0;
constexpr u8 kPausePrefix = 0xe1;
constexpr u8 kBreakPrefix = 0xf0;
constexpr u8 kPauseSetThree = 0x62;
constexpr u8 kPauseLength = 8;  // E1 14 77 E1 F0 14 F0 77
constexpr u8 kFakeShiftLeft = 0x12;
constexpr u8 kFakeShiftRight = 0x59;

}  // namespace

void Ps2Keyboard::reset() { *this = Ps2Keyboard{}; }

void Ps2Keyboard::set_defaults() {
  rate_ = kDefaultRate;
  scan_set_ = 2;
  all_releases_ = false;
  releases_ = true;
  strokes_.clear();
  translator_.reset();
  extended_ = release_ = false;
  skip_ = 0;
}

bool Ps2Keyboard::command(u8 byte) {
  // A command in place of a parameter cancels the command that waited for it.
  const bool may_be_parameter = byte < kSetLeds || expecting_ == kKeyRepeat;
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
      // Simplified: the type of single keys is accepted, but only types of all keys have an effect.
      answers_.push(kAck);
      expecting_ = kKeyRepeat;
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
      answers_.push(kAck);
      all_releases_ = false;
      releases_ = false;
      return false;
    case kAllMakeBreak:
    case kAllRepeatMakeBreak:
      answers_.push(kAck);
      all_releases_ = true;
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
  if (command == kKeyRepeat) {
    // A list of key codes, ended by the next command.
    if (byte >= kSetLeds) return false;
    answers_.push(kAck);
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

/// One byte in is at most two bytes out (set 3: F0h before a code).
unsigned Ps2Keyboard::room() const { return strokes_.room() / 2; }

void Ps2Keyboard::receive(u8 byte) {
  if (!scanning_) return;
  switch (scan_set_) {
    case 1: {
      u8 code = 0;
      if (translator_.translate(byte, code)) queue_stroke(code);
      return;
    }
    case 3:
      receive_set_three(byte);
      return;
    default:
      queue_stroke(byte);
      return;
  }
}

void Ps2Keyboard::receive_set_three(u8 byte) {
  if (skip_ != 0) {
    --skip_;
    return;
  }
  switch (byte) {
    case kExtendedPrefix:
      extended_ = true;
      return;
    case kBreakPrefix:
      release_ = true;
      return;
    case kPausePrefix:
      queue_stroke(kPauseSetThree);
      skip_ = kPauseLength - 1;
      return;
    default:
      break;
  }
  const bool extended = extended_;
  const bool release = release_;
  extended_ = release_ = false;
  // Set 2 wraps some extended keys in shifts that nobody pressed; set 3 needs none.
  if (extended && (byte == kFakeShiftLeft || byte == kFakeShiftRight)) return;
  const u8 code = set_three_code(byte, extended);
  if (code == 0) return;
  if (release) {
    const bool reported = all_releases_ || (releases_ && set_three_releases_by_default(code));
    if (!reported) return;
    queue_stroke(kBreakPrefix);
  }
  queue_stroke(code);
}

/// What does not fit is lost: room() told how much may come.
void Ps2Keyboard::queue_stroke(u8 byte) { strokes_.push(byte); }

void Ps2Keyboard::serialize(Archive& archive) {
  archive(answers_, strokes_, translator_, expecting_, last_sent_, leds_, rate_, scan_set_,
          scanning_, all_releases_, releases_, extended_, release_, skip_);
}

}  // namespace doppel::devices
