#include "frontend/monitor/line_editor.h"

#include <string_view>
#include <vector>

#include <doctest/doctest.h>

namespace doppel::frontend {
namespace {

std::vector<std::string> lines(LineEditor& editor, std::string_view keys, std::string* echo = nullptr) {
  std::string unheard;
  std::vector<std::string> out;
  for (const char key : keys) {
    if (auto line = editor.take(static_cast<u8>(key), echo != nullptr ? *echo : unheard)) out.push_back(*line);
  }
  return out;
}

TEST_CASE("line_editor: a line ends with return, a new line, or both at once") {
  LineEditor editor("> ");
  CHECK(lines(editor, "a\rb\nc\r\nd\r") == std::vector<std::string>{"a", "b", "c", "d"});
}

TEST_CASE("line_editor: backspace, Ctrl-U and Ctrl-W take back what was typed, and show it") {
  LineEditor editor("> ");
  std::string echo;
  CHECK(lines(editor, "\x7f" "abx\b\r", &echo) == std::vector<std::string>{"ab"});
  CHECK(echo == "abx\b \b\r\n");
  CHECK(lines(editor, "wrong\x15right\r") == std::vector<std::string>{"right"});
  CHECK(lines(editor, "info status \x17pic\r") == std::vector<std::string>{"info pic"});
}

TEST_CASE("line_editor: the cursor keys bring earlier lines back") {
  LineEditor editor("> ");
  CHECK(lines(editor, "one\rtwo\r\x1b[A\x1b[A\r\x1b[A\x1b[A\x1b[A\x1b[B\x1b[B\r") ==
        std::vector<std::string>{"one", "two", "one", "one"});
  CHECK(lines(editor, "\x1b[A\x1b[Bnew\r") == std::vector<std::string>{"new"});
}

TEST_CASE("line_editor: a line does not grow without end") {
  LineEditor editor("> ");
  const auto out = lines(editor, std::string(100'000, 'x') + "\r");
  REQUIRE(out.size() == 1);
  CHECK(out[0].size() < 10'000);
}

}  // namespace
}  // namespace doppel::frontend
