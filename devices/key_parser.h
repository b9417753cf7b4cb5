#pragma once

#include <array>
#include <optional>
#include <span>

#include "cpu/base/archive.h"
#include "cpu/base/types.h"

namespace doppel::devices {

/// A key that went down or up.
struct KeyStroke {
  u8 code = 0;  ///< Scan set 2.
  bool extended = false;
  bool is_release = false;
  bool is_pause = false;  ///< Has no release of its own.
  void serialize(Archive& archive) { archive(code, extended, is_release, is_pause); }
  bool same_key(const KeyStroke& other) const {
    return code == other.code && extended == other.extended && is_pause == other.is_pause;
  }
  /// Set 2 wraps some extended keys in shifts that nobody pressed.
  bool is_fake_shift() const { return extended && (code == 0x12 || code == 0x59); }
};

/// Puts the bytes of scan set 2 together again: E0h before an extended key, F0h before a release,
/// E1h before the eight bytes of Pause.
class KeyParser {
 public:
  std::optional<KeyStroke> take(u8 byte);
  /// The bytes of the stroke that take() gave last.
  std::span<const u8> bytes() const { return std::span(bytes_).first(count_); }
  /// Bytes that wait for the rest of their stroke.
  unsigned waiting() const { return is_complete_ ? 0 : count_; }
  void reset() { *this = KeyParser{}; }
  void serialize(Archive& archive);

 private:
  static constexpr unsigned kPauseBytes = 8;  // E1 14 77 E1 F0 14 F0 77

  std::array<u8, kPauseBytes> bytes_{};
  u8 count_ = 0;
  bool is_complete_ = true;
};

}  // namespace doppel::devices
