#include "frontend/curses/terminal_keys.h"

#include <curses.h>
#include <doctest/doctest.h>

namespace doppel::frontend::curses {
namespace {

std::optional<Chord> typed(unsigned code) { return chord_of({code}); }

TEST_CASE("terminal_keys: a character becomes the keys that type it") {
  CHECK(typed('a') == Chord{Key::A});
  CHECK(typed('A') == Chord{Key::Shift, Key::A});
  CHECK(typed('|') == Chord{Key::Shift, Key::Backslash});
  CHECK(typed('\r') == Chord{Key::Return});
  CHECK(typed(0x7f) == Chord{Key::Backspace});
  CHECK(typed(0x1b) == Chord{Key::Esc});
  CHECK(typed(0x03) == Chord{Key::Ctrl, Key::C});
  CHECK_FALSE(typed(0xe4));  // No US keyboard types an umlaut.
}

TEST_CASE("terminal_keys: alt stands before the rest, and special keys are what they are called") {
  CHECK(chord_of({'x', false, true}) == Chord{Key::Alt, Key::X});
  CHECK(chord_of({KEY_DOWN, true}) == Chord{Key::Down});
  CHECK(chord_of({KEY_BTAB, true}) == Chord{Key::Shift, Key::Tab});
  CHECK(chord_of({KEY_F0 + 12, true}) == Chord{Key::F12});
  CHECK(chord_of({KEY_F0 + 13, true}) == Chord{Key::Shift, Key::F1});
  CHECK_FALSE(chord_of({KEY_F0 + 25, true}));
  CHECK_FALSE(chord_of({KEY_MOUSE, true}));
}

TEST_CASE("terminal_keys: a text page gets what a terminal would send") {
  CHECK(bytes_of({KEY_UP, true}) == "\x1b[A");
  CHECK(bytes_of({0xe4}) == "\xc3\xa4");
  CHECK(bytes_of({'\n'}) == "\r");
  CHECK(bytes_of({KEY_F0 + 1, true}).empty());
}

}  // namespace
}  // namespace doppel::frontend::curses
