#pragma once

// A page of the display, `vc`: text that a person turns to, and a keyboard while it is in front.
//
// Where the display has no pages the text is kept for nobody, and not for long.

#include <deque>
#include <string>

#include "frontend/character/device.h"

namespace doppel::frontend {

class PageDevice final : public CharacterDevice {
 public:
  explicit PageDevice(std::string label) : CharacterDevice(std::move(label)) {}

  void set_user(CharacterUser& user) override {
    CharacterDevice::set_user(user);
    user.opened();
  }
  void write(u8 byte) override;
  std::string description() const override { return "vc"; }

  /// What a person typed on it.
  void type(std::span<const u8> bytes) {
    if (user_ != nullptr) user_->received(bytes);
  }
  /// The last lines, the one at hand at the end.
  const std::deque<std::string>& lines() const { return lines_; }
  /// Grows with everything that is written.
  u64 version() const { return version_; }

 private:
  static constexpr size_t kMostLines = 500;
  static constexpr size_t kLongestLine = 1000;
  enum class Escape : u8 { None, Started, Bracket };

  std::deque<std::string> lines_{std::string()};
  size_t column_ = 0;  // Where the next character goes.
  Escape escape_ = Escape::None;
  u64 version_ = 0;
};

}  // namespace doppel::frontend
