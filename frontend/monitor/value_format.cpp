#include "frontend/monitor/value_format.h"

#include <cinttypes>
#include <cstdio>

#include "frontend/option_values.h"

namespace doppel::frontend {

std::optional<ValueFormat> parse_value_format(std::string_view text) {
  if (text.starts_with('/')) text.remove_prefix(1);
  ValueFormat format;
  size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  if (digits > 0) {
    const auto count = parse_number(text.substr(0, digits));
    if (!count || *count == 0 || *count > 4096) return std::nullopt;
    format.count = *count;
  }
  for (const char letter : text.substr(digits)) {
    switch (letter) {
      case 'b':
        format.size = 1;
        break;
      case 'h':
        format.size = 2;
        break;
      case 'w':
        format.size = 4;
        break;
      case 'g':
        format.size = 8;
        break;
      case 'c':
      case 's':
        format.kind = letter;
        format.size = 1;
        break;
      case 'd':
      case 'u':
      case 'o':
      case 'x':
      case 'i':
        format.kind = letter;
        break;
      default:
        return std::nullopt;
    }
  }
  return format;
}

std::string format_value(const ValueFormat& format, u64 value) {
  char text[40];
  const unsigned unused = 64 - format.size * 8;
  switch (format.kind) {
    case 'd':
      std::snprintf(text, sizeof text, "%" PRId64, static_cast<i64>(value << unused) >> unused);
      break;
    case 'u':
      std::snprintf(text, sizeof text, "%" PRIu64, value);
      break;
    case 'o':
      std::snprintf(text, sizeof text, "%" PRIo64, value);
      break;
    case 'c':
      if (value >= 0x20 && value < 0x7f) {
        std::snprintf(text, sizeof text, "'%c'", static_cast<char>(value));
      } else {
        std::snprintf(text, sizeof text, "'\\x%02x'", static_cast<unsigned>(value));
      }
      break;
    default:
      std::snprintf(text, sizeof text, "0x%0*" PRIx64, static_cast<int>(format.size * 2), value);
      break;
  }
  return text;
}

}  // namespace doppel::frontend
