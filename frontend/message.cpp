#include "frontend/message.h"

#include <cstdio>

namespace doppel::frontend {

std::string message_line(std::string_view text) {
  constexpr size_t kLongest = 4000;
  std::string line = "doppel: ";
  for (const char letter : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(letter);
    line += byte < 0x20 || byte == 0x7f ? '?' : letter;
  }
  if (text.size() > kLongest) line += "...";
  return line + "\n";
}

void say(std::string_view text) {
  const std::string line = message_line(text);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace doppel::frontend
