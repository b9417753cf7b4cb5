#include "devices/ps2_mouse.h"

#include <algorithm>
#include <cstdlib>

namespace doppel::devices {

namespace {

enum Command : u8 {
  kScalingOne = 0xe6,
  kScalingTwo = 0xe7,
  kSetResolution = 0xe8,
  kStatusRequest = 0xe9,
  kStreamMode = 0xea,
  kReadData = 0xeb,
  kResetWrap = 0xec,
  kWrapMode = 0xee,
  kRemoteMode = 0xf0,
  kReadId = 0xf2,
  kSetRate = 0xf3,
  kEnable = 0xf4,
  kDisable = 0xf5,
  kSetDefaults = 0xf6,
  kResend = 0xfe,
  kReset = 0xff,
};

constexpr u8 kAck = 0xfa;
constexpr u8 kError = 0xfc;
constexpr u8 kTestPassed = 0xaa;
constexpr u8 kIdWheel = 3;
constexpr u8 kIdFiveButtons = 4;

// The first byte of a report.
constexpr u8 kAlwaysOne = 0x08;
constexpr u8 kXNegative = 0x10;
constexpr u8 kYNegative = 0x20;
constexpr i32 kMotionLimit = 255;  // 9 bits with sign; what is left comes with the next report.
constexpr i32 kWheelLimit = 7;     // 4 bits with sign.
constexpr i32 kGatherLimit = 32767;

/// Motion as 2:1 scaling reports it: slow moves become slower, fast ones faster.
/// @source  PS/2 Hardware Interface Technical Reference, "Set Scaling 2:1"
i32 scale_two(i32 motion) {
  constexpr std::array<i32, 6> kSlow{0, 1, 1, 3, 6, 9};
  const i32 size = std::abs(motion);
  const i32 scaled =
      size < static_cast<i32>(kSlow.size()) ? kSlow[static_cast<size_t>(size)] : size * 2;
  return motion < 0 ? -scaled : scaled;
}

i32 add_limited(i32 gathered, int motion) {
  const i64 sum = i64{gathered} + motion;
  return static_cast<i32>(std::clamp<i64>(sum, -kGatherLimit, kGatherLimit));
}

}  // namespace

void Ps2Mouse::reset() { *this = Ps2Mouse{}; }

void Ps2Mouse::finish_self_test() {
  answer(kTestPassed);
  answer(0);  // Device id of a mouse without a wheel.
}

void Ps2Mouse::set_defaults() {
  sample_rate_ = 100;
  resolution_ = 2;
  scaling_two_ = reporting_ = remote_ = false;
  dx_ = dy_ = wheel_ = 0;
  changed_ = false;
}

u8 Ps2Mouse::take_output() {
  last_sent_ = answers_.empty() ? report_.pop() : answers_.pop();
  return last_sent_;
}

bool Ps2Mouse::command(u8 byte) {
  if (wrap_ && byte != kResetWrap && byte != kReset) {
    answer(byte);
    return false;
  }
  if (expecting_ != 0 && parameter(byte)) return false;
  if (byte == kResend) {
    answer(last_sent_);
    return false;
  }
  // A command drops a report that is on its way, so that the next byte is its answer.
  report_.clear();
  switch (byte) {
    case kScalingOne:
    case kScalingTwo:
      answer(kAck);
      scaling_two_ = byte == kScalingTwo;
      return false;
    case kSetResolution:
    case kSetRate:
      answer(kAck);
      expecting_ = byte;
      return false;
    case kStatusRequest:
      answer(kAck);
      answer_status();
      return false;
    case kStreamMode:
      answer(kAck);
      remote_ = false;
      return false;
    case kReadData: {
      answer(kAck);
      const std::array<u8, 4> packet = take_motion(false);
      for (unsigned i = 0; i < packet_size(); ++i) answer(packet[i]);
      return false;
    }
    case kResetWrap:
      answer(kAck);
      wrap_ = false;
      return false;
    case kWrapMode:
      answer(kAck);
      wrap_ = true;
      return false;
    case kRemoteMode:
      answer(kAck);
      remote_ = true;
      return false;
    case kReadId:
      answer(kAck);
      answer(id_);
      return false;
    case kEnable:
    case kDisable:
      answer(kAck);
      reporting_ = byte == kEnable;
      dx_ = dy_ = wheel_ = 0;
      changed_ = false;
      return false;
    case kSetDefaults:
      answer(kAck);
      set_defaults();
      return false;
    case kReset: {
      const u8 held = buttons_;
      reset();
      buttons_ = held;
      answer(kAck);
      return true;
    }
    default:
      answer(kResend);
      return false;
  }
}

/// False: a command came instead of the parameter.
bool Ps2Mouse::parameter(u8 byte) {
  const u8 command = expecting_;
  expecting_ = 0;
  if (command == kSetResolution) {
    if (byte > 3) {
      if (byte >= kScalingOne) return false;
      answer(kError);
      return true;
    }
    resolution_ = byte;
    answer(kAck);
    return true;
  }
  // Rates end at 200; zero would be no rate at all.
  if (byte == 0 || byte > 200) {
    if (byte >= kScalingOne) return false;
    answer(kError);
    return true;
  }
  sample_rate_ = byte;
  rates_ = {rates_[1], rates_[2], byte};
  if (rates_ == std::array<u8, 3>{200, 100, 80}) {
    id_ = kIdWheel;
  } else if (rates_ == std::array<u8, 3>{200, 200, 80}) {
    id_ = kIdFiveButtons;
  }
  answer(kAck);
  return true;
}

void Ps2Mouse::answer_status() {
  // Here left is bit 2 and right bit 0: the other way round than in a report.
  const u8 held = static_cast<u8>((buttons_ & 1) << 2 | (buttons_ & 4) >> 1 | (buttons_ & 2) >> 1);
  answer(static_cast<u8>((remote_ ? 0x40 : 0) | (reporting_ ? 0x20 : 0) |
                         (scaling_two_ ? 0x10 : 0) | held));
  answer(resolution_);
  answer(sample_rate_);
}

void Ps2Mouse::move(int dx, int dy, int wheel, unsigned buttons) {
  dx_ = add_limited(dx_, dx);
  dy_ = add_limited(dy_, dy);
  wheel_ = has_wheel() ? add_limited(wheel_, wheel) : 0;
  const u8 held = buttons & 0x1f;
  if (dx != 0 || dy != 0 || (has_wheel() && wheel != 0) || held != buttons_) changed_ = true;
  buttons_ = held;
}

bool Ps2Mouse::wants_to_report() const {
  return changed_ && reporting_ && !remote_ && !wrap_ && expecting_ == 0 && !has_output();
}

u64 Ps2Mouse::sample_period_ns() const { return 1'000'000'000u / std::max<u64>(sample_rate_, 1); }

void Ps2Mouse::report() {
  const std::array<u8, 4> packet = take_motion(scaling_two_);
  for (unsigned i = 0; i < packet_size(); ++i) report_.push(packet[i]);
}

/// The next packet; motion that does not fit it stays for the one after.
std::array<u8, 4> Ps2Mouse::take_motion(bool scaled) {
  // A report holds 9 bits; scaling may double, so it takes half as much at once.
  const i32 limit = scaled ? kMotionLimit / 2 : kMotionLimit;
  const i32 taken_x = std::clamp(dx_, -limit, limit);
  const i32 taken_y = std::clamp(dy_, -limit, limit);
  dx_ -= taken_x;
  dy_ -= taken_y;
  const i32 x = scaled ? scale_two(taken_x) : taken_x;
  const i32 y = -(scaled ? scale_two(taken_y) : taken_y);  // The mouse's y grows upwards.
  std::array<u8, 4> packet{};
  packet[0] = static_cast<u8>(kAlwaysOne | (buttons_ & 7) | (x < 0 ? kXNegative : 0) |
                              (y < 0 ? kYNegative : 0));
  packet[1] = static_cast<u8>(x);
  packet[2] = static_cast<u8>(y);
  if (has_wheel()) {
    const i32 wheel = std::clamp(wheel_, -kWheelLimit, kWheelLimit);
    wheel_ -= wheel;
    const u8 z = static_cast<u8>(-wheel);  // Towards the hand is positive on the wire.
    packet[3] = id_ == kIdFiveButtons ? static_cast<u8>((z & 0x0f) | (buttons_ & 0x18) << 1) : z;
  }
  changed_ = dx_ != 0 || dy_ != 0 || wheel_ != 0;
  return packet;
}

void Ps2Mouse::serialize(Archive& archive) {
  archive(answers_, report_, expecting_, last_sent_, id_, rates_, sample_rate_, resolution_,
          scaling_two_, reporting_, remote_, wrap_, dx_, dy_, wheel_, buttons_, changed_);
}

}  // namespace doppel::devices
