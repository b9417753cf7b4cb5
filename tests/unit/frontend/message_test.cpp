#include "frontend/message.h"

#include <doctest/doctest.h>

namespace doppel::frontend {
namespace {

TEST_CASE("message: what a file says never breaks the line or reaches the terminal") {
  CHECK(message_line("a: b") == "doppel: a: b\n");
  CHECK(message_line("found x\n\033[2J\x7f\t.") == "doppel: found x??[2J??.\n");
  CHECK(message_line(std::string_view("a\0b", 3)) == "doppel: a?b\n");
  CHECK(message_line("\u00e9") == "doppel: \u00e9\n");
}

TEST_CASE("message: a very long text is cut") {
  const std::string line = message_line(std::string(1 << 20, 'A'));
  CHECK(line.size() < 5000);
  CHECK(line.ends_with("A...\n"));
}

}  // namespace
}  // namespace doppel::frontend
