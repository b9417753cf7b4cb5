#include "devices/key_parser.h"

namespace doppel::devices {

namespace {

constexpr u8 kExtendedPrefix = 0xe0;
constexpr u8 kPausePrefix = 0xe1;
constexpr u8 kBreakPrefix = 0xf0;

}  // namespace

std::optional<KeyStroke> KeyParser::take(u8 byte) {
  if (is_complete_) count_ = 0;
  is_complete_ = false;
  bytes_[count_++] = byte;
  const bool is_full = count_ == bytes_.size();
  if (bytes_[0] == kPausePrefix) {
    if (!is_full) return std::nullopt;
    is_complete_ = true;
    return KeyStroke{.code = 0x77, .is_pause = true};
  }
  // Prefixes without end are no key: the last byte counts.
  if ((byte == kExtendedPrefix || byte == kBreakPrefix) && !is_full) return std::nullopt;
  KeyStroke stroke{.code = byte};
  for (const u8 before : std::span(bytes_).first(count_ - 1u)) {
    stroke.extended = stroke.extended || before == kExtendedPrefix;
    stroke.is_release = stroke.is_release || before == kBreakPrefix;
  }
  is_complete_ = true;
  return stroke;
}

void KeyParser::serialize(Archive& archive) {
  archive(bytes_, count_, is_complete_);
  if (count_ < bytes_.size() || (is_complete_ && count_ == bytes_.size())) return;
  archive.fail("a key stroke is longer than any key's");
  reset();
}

}  // namespace doppel::devices
