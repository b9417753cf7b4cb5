#pragma once

#include <string>
#include <string_view>

namespace doppel {

/// Stands for bytes that are no UTF-8.
constexpr char32_t kReplacementCharacter = 0xfffd;

/// Takes the first character off a text that is not empty. Malformed, overlong and surrogate
/// sequences give the replacement character and cost one byte.
char32_t take_utf8(std::string_view& text);

void append_utf8(std::string& text, char32_t character);

}  // namespace doppel
