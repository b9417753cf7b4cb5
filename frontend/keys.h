#pragma once

// Keys: what they are called, what they send, and which of them type a text.
//
// A key press enters the machine as the bytes that a keyboard puts on its cable in scan set 2. Most
// keys are one code, with E0h before it for those that the 84-key board did not have, and F0h for
// the release. Two keys remember an older keyboard, and what they send depends on what else is
// held:
//
//               alone                          with
//     Print     E0 12 E0 7C                    ctrl or shift: E0 7C; alt: 84 (SysRq)
//     Pause     E1 14 77 E1 F0 14 F0 77        ctrl: E0 7E E0 F0 7E (Break)
//
// Pause sends all of it at the press and nothing at the release.
// Simplified: the shifts that a keyboard wraps around cursor keys while shift or num lock is on are
// left out; their meaning is in the key's own code already.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cpu/base/result.h"
#include "cpu/base/types.h"

namespace doppel::frontend {

/// The value is the make code of set 2 as keys.inc has it.
enum class Key : u16 {
#define KEY(name, text, code) name = code,
#include "frontend/keys.inc"
#undef KEY
};

std::optional<Key> key_named(std::string_view name);
/// The key with this number in scan set 1; E0xxh, or bit 7, for those that follow E0h.
std::optional<Key> key_numbered(u64 number);
/// The monitor's name of a key.
std::string_view key_name(Key key);

/// Keys that are pressed together, in this order, and let go in the reverse one.
using Chord = std::vector<Key>;

/// "ctrl-alt-delete". @errors one line that names what is no key.
Result<Chord, Error> parse_chord(std::string_view text);

/// What to press on a US keyboard for a character; nothing if it has no such key.
std::optional<Chord> chord_for(char32_t character);

/// A text (UTF-8) as chords of a US keyboard; characters that it does not have go to `missing`.
std::vector<Chord> chords_for(std::string_view text, std::string& missing);

/// The keyboard's half of a key press: remembers what is held, and says what goes on the cable.
class KeyEncoder {
 public:
  /// Appends what the press sends; a key that is held already repeats.
  void press(Key key, std::vector<u8>& out);
  /// Nothing if the key was not held.
  void release(Key key, std::vector<u8>& out);
  /// Lets go of everything, the last key first.
  void release_all(std::vector<u8>& out);
  bool is_held(Key key) const;
  bool is_any_held() const { return !held_.empty(); }

 private:
  struct Held {
    Key key;
    u16 code;                 // What it was pressed as: Print may be SysRq.
    bool with_shift = false;  // Print alone: its release ends the shift that its press began.
  };
  bool is_ctrl_held() const { return is_held(Key::Ctrl) || is_held(Key::CtrlRight); }
  bool is_alt_held() const { return is_held(Key::Alt) || is_held(Key::AltRight); }
  bool is_shift_held() const { return is_held(Key::Shift) || is_held(Key::ShiftRight); }
  void let_go(const Held& held, std::vector<u8>& out);

  std::vector<Held> held_;
};

}  // namespace doppel::frontend
