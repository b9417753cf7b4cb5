#include "frontend/monitor/hmp_session.h"

namespace doppel::frontend {

void HmpSession::opened() {
  show("\ndoppel 0.1 monitor - type 'help' for more information\n" + editor_.prompt());
}

void HmpSession::received(std::span<const u8> bytes) {
  for (const u8 byte : bytes) {
    std::string echo;
    const std::optional<std::string> line = editor_.take(byte, echo);
    show(echo);
    if (!line) continue;
    show(monitor_.execute(*line));
    show(editor_.prompt());
  }
}

void HmpSession::show(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    // The terminal is raw: a new line needs its carriage return.
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) device_.write('\r');
    device_.write(static_cast<u8>(text[i]));
  }
}

}  // namespace doppel::frontend
