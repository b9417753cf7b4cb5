#include "frontend/keys.h"

#include <algorithm>

#include "cpu/base/utf8.h"
#include "devices/scan_codes.h"
#include "frontend/option_values.h"

namespace doppel::frontend {
namespace {

constexpr u8 kExtended = 0xe0;
constexpr u8 kBreak = 0xf0;
constexpr u16 kSysRqCode = static_cast<u16>(Key::SysRq);
/// The shift of the older keyboard, on which Print was a shifted key.
constexpr u16 kOldShift = 0xe012;

struct NamedKey {
  std::string_view name;
  Key key;
};
constexpr NamedKey kKeys[] = {
#define KEY(name, text, code) {text, Key::name},
#include "frontend/keys.inc"
#undef KEY
    // Second names; key_name() gives the first one.
    {"compose", Key::Menu},
    {"asterisk", Key::KpMultiply},
    {"katakanahiragana", Key::Hiragana},
};

/// A key that types two characters: alone, and with shift.
struct Typing {
  Key key;
  char plain;
  char shifted;
};
// clang-format off
constexpr Typing kTyping[] = {
    {Key::GraveAccent, '`', '~'}, {Key::Digit1, '1', '!'}, {Key::Digit2, '2', '@'},
    {Key::Digit3, '3', '#'},      {Key::Digit4, '4', '$'}, {Key::Digit5, '5', '%'},
    {Key::Digit6, '6', '^'},      {Key::Digit7, '7', '&'}, {Key::Digit8, '8', '*'},
    {Key::Digit9, '9', '('},      {Key::Digit0, '0', ')'}, {Key::Minus, '-', '_'},
    {Key::Equal, '=', '+'},       {Key::BracketLeft, '[', '{'}, {Key::BracketRight, ']', '}'},
    {Key::Backslash, '\\', '|'},  {Key::Semicolon, ';', ':'}, {Key::Apostrophe, '\'', '"'},
    {Key::Comma, ',', '<'},       {Key::Dot, '.', '>'},    {Key::Slash, '/', '?'},
    {Key::Space, ' ', '\0'},      {Key::Tab, '\t', '\0'},  {Key::Return, '\n', '\0'},
    {Key::Backspace, '\b', '\0'}, {Key::Esc, '\x1b', '\0'},
};
// clang-format on

void append_code(u16 code, bool release, std::vector<u8>& out) {
  if (code >> 8 != 0) out.push_back(kExtended);
  if (release) out.push_back(kBreak);
  out.push_back(static_cast<u8>(code));
}

}  // namespace

std::optional<Key> key_named(std::string_view name) {
  for (const NamedKey& entry : kKeys) {
    if (entry.name == name) return entry.key;
  }
  return std::nullopt;
}

std::optional<Key> key_numbered(u64 number) {
  const bool extended = number >> 8 == kExtended || (number >> 7) == 1;
  if (number > 0xff && !extended) return std::nullopt;
  for (const NamedKey& entry : kKeys) {
    const auto code = static_cast<u16>(entry.key);
    if ((code >> 8 == kExtended) != extended || (code >> 8 != 0 && !extended)) continue;
    devices::SetOneTranslator translator;
    u8 set_one = 0;
    if (translator.translate(static_cast<u8>(code), set_one) && set_one == (number & 0x7f))
      return entry.key;
  }
  return std::nullopt;
}

std::string_view key_name(Key key) {
  for (const NamedKey& entry : kKeys) {
    if (entry.key == key) return entry.name;
  }
  return "unknown";
}

Result<Chord, Error> parse_chord(std::string_view text) {
  constexpr size_t kMostKeys = 16;
  Chord chord;
  while (true) {
    const size_t end = text.find('-');
    const std::string_view name = text.substr(0, end);
    std::optional<Key> key = key_named(name);
    if (const auto number = parse_number(name); !key && number && name.starts_with("0x"))
      key = key_numbered(*number);
    if (!key) return Error{"there is no key '" + std::string(name) + "'"};
    if (std::find(chord.begin(), chord.end(), *key) != chord.end())
      return Error{"key '" + std::string(name) + "' stands there twice"};
    if (chord.size() == kMostKeys) return Error{"at most 16 keys at once"};
    chord.push_back(*key);
    if (end == std::string_view::npos) return chord;
    text.remove_prefix(end + 1);
  }
}

std::optional<Chord> chord_for(char32_t character) {
  if (character >= 'a' && character <= 'z') {
    const char name = static_cast<char>(character);
    return Chord{*key_named({&name, 1})};
  }
  if (character >= 'A' && character <= 'Z') {
    const char name = static_cast<char>(character - 'A' + 'a');
    return Chord{Key::Shift, *key_named({&name, 1})};
  }
  if (character == 0 || character > 0x7f) return std::nullopt;
  for (const Typing& typing : kTyping) {
    if (static_cast<char32_t>(typing.plain) == character) return Chord{typing.key};
    if (static_cast<char32_t>(typing.shifted) == character) return Chord{Key::Shift, typing.key};
  }
  return std::nullopt;
}

std::vector<Chord> chords_for(std::string_view text, std::string& missing) {
  std::vector<Chord> chords;
  char32_t before = 0;
  while (!text.empty()) {
    const char32_t character = take_utf8(text);
    // A line ends in one stroke, whichever way it is written.
    const bool second_half = character == '\n' && before == '\r';
    before = character;
    if (second_half) continue;
    if (auto chord = chord_for(character == '\r' ? '\n' : character)) {
      chords.push_back(std::move(*chord));
    } else {
      append_utf8(missing, character);
    }
  }
  return chords;
}

bool KeyEncoder::is_held(Key key) const {
  return std::any_of(held_.begin(), held_.end(),
                     [key](const Held& held) { return held.key == key; });
}

void KeyEncoder::press(Key key, std::vector<u8>& out) {
  if (key == Key::Pause) {
    if (is_ctrl_held()) {
      out.insert(out.end(), {0xe0, 0x7e, 0xe0, 0xf0, 0x7e});
    } else {
      out.insert(out.end(), {0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77});
    }
    return;
  }
  for (const Held& held : held_) {
    if (held.key == key) return append_code(held.code, false, out);
  }
  Held held{key, static_cast<u16>(key)};
  if (key == Key::Print && is_alt_held()) {
    held.code = kSysRqCode;
  } else if (key == Key::Print) {
    held.with_shift = !is_ctrl_held() && !is_shift_held();
  }
  if (held.with_shift) append_code(kOldShift, false, out);
  append_code(held.code, false, out);
  held_.push_back(held);
}

void KeyEncoder::release(Key key, std::vector<u8>& out) {
  const auto found =
      std::find_if(held_.begin(), held_.end(), [key](const Held& held) { return held.key == key; });
  if (found == held_.end()) return;
  let_go(*found, out);
  held_.erase(found);
}

void KeyEncoder::release_all(std::vector<u8>& out) {
  for (; !held_.empty(); held_.pop_back()) let_go(held_.back(), out);
}

void KeyEncoder::let_go(const Held& held, std::vector<u8>& out) {
  append_code(held.code, true, out);
  if (held.with_shift) append_code(kOldShift, true, out);
}

}  // namespace doppel::frontend
