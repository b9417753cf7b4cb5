#include "frontend/curses/terminal_keys.h"

#include <curses.h>

#include "cpu/base/utf8.h"

namespace doppel::frontend::curses {
namespace {

constexpr unsigned kDelete = 0x7f;
constexpr unsigned kFunctionKeys = 12;

struct SpecialKey {
  unsigned code;
  Key key;
  bool with_shift = false;
};
constexpr SpecialKey kSpecialKeys[] = {
    {KEY_UP, Key::Up},           {KEY_DOWN, Key::Down},        {KEY_LEFT, Key::Left},
    {KEY_RIGHT, Key::Right},     {KEY_HOME, Key::Home},        {KEY_END, Key::End},
    {KEY_PPAGE, Key::PageUp},    {KEY_NPAGE, Key::PageDown},   {KEY_IC, Key::Insert},
    {KEY_DC, Key::Delete},       {KEY_BACKSPACE, Key::Backspace}, {KEY_ENTER, Key::Return},
    {KEY_BTAB, Key::Tab, true},  {KEY_SLEFT, Key::Left, true}, {KEY_SRIGHT, Key::Right, true},
    {KEY_SHOME, Key::Home, true}, {KEY_SEND, Key::End, true},  {KEY_SDC, Key::Delete, true},
    {KEY_SF, Key::Down, true},   {KEY_SR, Key::Up, true},
};

std::optional<Chord> special_chord(unsigned code) {
  for (const SpecialKey& special : kSpecialKeys) {
    if (special.code != code) continue;
    return special.with_shift ? Chord{Key::Shift, special.key} : Chord{special.key};
  }
  if (code <= KEY_F0 || code > KEY_F0 + 2 * kFunctionKeys) return std::nullopt;
  // A terminal counts on with shift: F13 is shift and F1.
  const unsigned number = code - KEY_F0;
  const unsigned plain = number > kFunctionKeys ? number - kFunctionKeys : number;
  const auto key = key_named("f" + std::to_string(plain));
  if (!key) return std::nullopt;
  return number > kFunctionKeys ? Chord{Key::Shift, *key} : Chord{*key};
}

std::optional<Chord> character_chord(unsigned code) {
  switch (code) {
    case '\r':
    case '\n':
      return Chord{Key::Return};
    case '\t':
      return Chord{Key::Tab};
    case '\b':
    case kDelete:
      return Chord{Key::Backspace};
    case 0x00:
      return Chord{Key::Ctrl, Key::Space};
    case 0x1b:
      return Chord{Key::Esc};
    case 0x1c:
      return Chord{Key::Ctrl, Key::Backslash};
    case 0x1d:
      return Chord{Key::Ctrl, Key::BracketRight};
    default:
      break;
  }
  if (code < 0x1b) {
    const char letter = static_cast<char>('a' + code - 1);
    return Chord{Key::Ctrl, *key_named({&letter, 1})};
  }
  return chord_for(code);
}

}  // namespace

std::optional<Chord> chord_of(const TerminalKey& key) {
  std::optional<Chord> chord = key.is_special ? special_chord(key.code) : character_chord(key.code);
  if (chord && key.with_alt) chord->insert(chord->begin(), Key::Alt);
  return chord;
}

std::string bytes_of(const TerminalKey& key) {
  std::string bytes;
  if (!key.is_special) {
    append_utf8(bytes, key.code == '\n' ? U'\r' : static_cast<char32_t>(key.code));
    return bytes;
  }
  switch (key.code) {
    case KEY_UP:
      return "\x1b[A";
    case KEY_DOWN:
      return "\x1b[B";
    case KEY_RIGHT:
      return "\x1b[C";
    case KEY_LEFT:
      return "\x1b[D";
    case KEY_BACKSPACE:
      return "\x7f";
    case KEY_ENTER:
      return "\r";
    default:
      return bytes;
  }
}

}  // namespace doppel::frontend::curses
