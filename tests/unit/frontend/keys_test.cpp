#include "frontend/keys.h"

#include <initializer_list>
#include <set>
#include <string>

#include <doctest/doctest.h>

#include "cpu/base/utf8.h"
#include "devices/scan_codes.h"

namespace doppel::frontend {
namespace {

using Bytes = std::vector<u8>;

/// What goes on the cable when these are pressed in order.
Bytes pressed(KeyEncoder& encoder, std::initializer_list<Key> keys) {
  Bytes out;
  for (const Key key : keys) encoder.press(key, out);
  return out;
}

Bytes released(KeyEncoder& encoder, std::initializer_list<Key> keys) {
  Bytes out;
  for (const Key key : keys) encoder.release(key, out);
  return out;
}

TEST_CASE("keys: a plain key sends its code, and F0 before it when it is let go") {
  KeyEncoder encoder;
  CHECK(pressed(encoder, {Key::A}) == Bytes{0x1c});
  CHECK(released(encoder, {Key::A}) == Bytes{0xf0, 0x1c});
}

TEST_CASE("keys: a key that the 84-key board did not have sends E0 first") {
  KeyEncoder encoder;
  CHECK(pressed(encoder, {Key::Delete}) == Bytes{0xe0, 0x71});
  CHECK(released(encoder, {Key::Delete}) == Bytes{0xe0, 0xf0, 0x71});
  CHECK(pressed(encoder, {Key::CtrlRight, Key::KpEnter}) == Bytes{0xe0, 0x14, 0xe0, 0x5a});
}

TEST_CASE("keys: a held key repeats its make code, and its release comes once") {
  KeyEncoder encoder;
  CHECK(pressed(encoder, {Key::Up, Key::Up, Key::Up}) == Bytes{0xe0, 0x75, 0xe0, 0x75, 0xe0, 0x75});
  CHECK(released(encoder, {Key::Up, Key::Up}) == Bytes{0xe0, 0xf0, 0x75});
}

TEST_CASE("keys: a key that was never pressed is not let go") {
  KeyEncoder encoder;
  CHECK(released(encoder, {Key::A}).empty());
}

TEST_CASE("keys: Pause sends everything at once and nothing later; with ctrl it is Break") {
  KeyEncoder encoder;
  CHECK(pressed(encoder, {Key::Pause}) == Bytes{0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77});
  CHECK(released(encoder, {Key::Pause}).empty());
  CHECK(pressed(encoder, {Key::Ctrl, Key::Pause}) == Bytes{0x14, 0xe0, 0x7e, 0xe0, 0xf0, 0x7e});
  CHECK(released(encoder, {Key::Pause}).empty());
}

TEST_CASE("keys: Print brings a shift of its own, unless shift or ctrl is held") {
  KeyEncoder encoder;
  CHECK(pressed(encoder, {Key::Print}) == Bytes{0xe0, 0x12, 0xe0, 0x7c});
  CHECK(pressed(encoder, {Key::Print}) == Bytes{0xe0, 0x7c});
  CHECK(released(encoder, {Key::Print}) == Bytes{0xe0, 0xf0, 0x7c, 0xe0, 0xf0, 0x12});
  CHECK(pressed(encoder, {Key::ShiftRight, Key::Print}) == Bytes{0x59, 0xe0, 0x7c});
  CHECK(released(encoder, {Key::Print}) == Bytes{0xe0, 0xf0, 0x7c});
}

TEST_CASE("keys: alt with Print is SysRq, whichever of the two is let go first") {
  KeyEncoder encoder;
  CHECK(pressed(encoder, {Key::Alt, Key::Print}) == Bytes{0x11, 0x84});
  CHECK(released(encoder, {Key::Alt, Key::Print}) == Bytes{0xf0, 0x11, 0xf0, 0x84});
}

TEST_CASE("keys: letting go of everything begins with the key that came last") {
  KeyEncoder encoder;
  pressed(encoder, {Key::Ctrl, Key::Alt, Key::Delete});
  Bytes out;
  encoder.release_all(out);
  CHECK(out == Bytes{0xe0, 0xf0, 0x71, 0xf0, 0x11, 0xf0, 0x14});
  CHECK_FALSE(encoder.is_any_held());
  out.clear();
  encoder.release_all(out);
  CHECK(out.empty());
}

TEST_CASE("keys: every key has one name and one code, and set 1 knows it after translation") {
  std::set<std::string_view> names;
  std::set<u16> codes;
  unsigned keys = 0;
#define KEY(name, text, code)                            \
  ++keys;                                                \
  names.insert(text);                                    \
  codes.insert(code);                                    \
  CHECK(key_named(text) == Key::name);                   \
  CHECK(key_name(Key::name) == text);                    \
  {                                                      \
    devices::SetOneTranslator translator;                \
    u8 set_one = 0;                                      \
    REQUIRE(translator.translate(code & 0xff, set_one)); \
    CHECK(set_one < 0x80);                               \
    CHECK(set_one != 0);                                 \
  }
#include "frontend/keys.inc"
#undef KEY
  CHECK(names.size() == keys);
  CHECK(codes.size() == keys);
  CHECK_FALSE(key_named("").has_value());
  CHECK_FALSE(key_named("enter key").has_value());
}

TEST_CASE("keys: a chord is names joined by dashes") {
  const auto chord = parse_chord("ctrl-alt-delete");
  REQUIRE(chord.ok());
  CHECK(chord.value() == Chord{Key::Ctrl, Key::Alt, Key::Delete});
  CHECK(parse_chord("shift-minus").value() == Chord{Key::Shift, Key::Minus});
}

TEST_CASE("keys: a chord with something that is no key is refused by name") {
  CHECK(parse_chord("ctrl-alt-del").error().message.find("'del'") != std::string::npos);
  CHECK(parse_chord("").error().message.find("''") != std::string::npos);
  CHECK_FALSE(parse_chord("ctrl-").ok());
  CHECK_FALSE(parse_chord("-a").ok());
  CHECK(parse_chord("a-a").error().message.find("twice") != std::string::npos);
  CHECK_FALSE(parse_chord("a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p-q").ok());
}

TEST_CASE("keys: a US keyboard types all of printable ASCII") {
  for (char32_t character = 0x20; character < 0x7f; ++character) {
    CAPTURE(static_cast<unsigned>(character));
    CHECK(chord_for(character).has_value());
  }
  CHECK(chord_for('a') == Chord{Key::A});
  CHECK(chord_for('Z') == Chord{Key::Shift, Key::Z});
  CHECK(chord_for('"') == Chord{Key::Shift, Key::Apostrophe});
  CHECK(chord_for('|') == Chord{Key::Shift, Key::Backslash});
  CHECK_FALSE(chord_for(0).has_value());
  CHECK_FALSE(chord_for(0x7f).has_value());
  CHECK_FALSE(chord_for(0xe4).has_value());
}

TEST_CASE("keys: a line ends in one stroke however it is written, and what has no key is named") {
  std::string missing;
  const auto chords = chords_for("a\r\nb\n\xc3\xa4\r", missing);
  REQUIRE(chords.size() == 5);
  CHECK(chords[1] == Chord{Key::Return});
  CHECK(chords[3] == Chord{Key::Return});
  CHECK(chords[4] == Chord{Key::Return});
  CHECK(missing == "\xc3\xa4");
}

TEST_CASE("utf8: characters go both ways, and damage costs one byte") {
  for (const char32_t character : {0x24u, 0xa2u, 0x20acu, 0x10348u, 0x10ffffu}) {
    std::string text;
    append_utf8(text, character);
    std::string_view rest = text;
    CHECK(take_utf8(rest) == character);
    CHECK(rest.empty());
  }
  for (const std::string damaged :
       {"\x80", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xff", "\xe2\x82",
        "\xc3"
        "A"}) {
    std::string_view rest = damaged;
    CHECK(take_utf8(rest) == kReplacementCharacter);
    CHECK(rest.size() == damaged.size() - 1);
  }
}

TEST_CASE("keys: a number of scan set 1 names a key, with E0h or bit 7 for those that have it") {
  CHECK(key_numbered(0x1e) == Key::A);
  CHECK(key_numbered(0x41) == Key::F7);
  CHECK(key_numbered(0x1d) == Key::Ctrl);
  CHECK(key_numbered(0xe01d) == Key::CtrlRight);
  CHECK(key_numbered(0x9d) == Key::CtrlRight);
  CHECK(key_numbered(0xe053) == Key::Delete);
  for (const u64 number : {u64{0}, u64{0x7f}, u64{0x11e}, ~u64{0}}) {
    CAPTURE(number);
    CHECK_FALSE(key_numbered(number));
  }
  CHECK(parse_chord("ctrl-0x1e").value() == Chord{Key::Ctrl, Key::A});
}

}  // namespace
}  // namespace doppel::frontend
