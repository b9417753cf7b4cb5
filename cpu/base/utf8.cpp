#include "cpu/base/utf8.h"

#include <cstddef>

namespace doppel {

char32_t take_utf8(std::string_view& text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  size_t length = 1;
  char32_t value = first;
  char32_t least = 0;
  if (first >= 0xf0 && first < 0xf8) {
    length = 4;
    value = first & 0x07;
    least = 0x10000;
  } else if (first >= 0xe0 && first < 0xf0) {
    length = 3;
    value = first & 0x0f;
    least = 0x800;
  } else if (first >= 0xc0 && first < 0xe0) {
    length = 2;
    value = first & 0x1f;
    least = 0x80;
  } else if (first >= 0x80) {
    value = kReplacementCharacter;
  }
  bool sound = length <= text.size();
  for (size_t i = 1; sound && i < length; ++i) {
    sound = (byte(i) & 0xc0) == 0x80;
    value = value << 6 | (byte(i) & 0x3f);
  }
  const bool surrogate = value >= 0xd800 && value < 0xe000;
  if (!sound || value < least || value > 0x10ffff || surrogate) {
    length = 1;
    value = kReplacementCharacter;
  }
  text.remove_prefix(length);
  return value;
}

void append_utf8(std::string& text, char32_t character) {
  const auto tail = [&](unsigned shift) {
    text += static_cast<char>(0x80 | (character >> shift & 0x3f));
  };
  if (character < 0x80) {
    text += static_cast<char>(character);
  } else if (character < 0x800) {
    text += static_cast<char>(0xc0 | character >> 6);
    tail(0);
  } else if (character < 0x10000) {
    text += static_cast<char>(0xe0 | character >> 12);
    tail(6);
    tail(0);
  } else {
    text += static_cast<char>(0xf0 | character >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

}  // namespace doppel
