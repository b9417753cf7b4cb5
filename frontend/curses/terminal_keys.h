#pragma once

// What a terminal sends, as keys of a PC keyboard.
//
// A terminal tells characters, not keys: each becomes the chord that types it on a US keyboard,
// pressed and let go. Alt with a key comes as Esc and that key.

#include <optional>
#include <string>

#include "frontend/keys.h"

namespace doppel::frontend::curses {

/// What curses reads: a character, or (`is_special`) one of its KEY_ numbers.
struct TerminalKey {
  unsigned code = 0;
  bool is_special = false;
  bool with_alt = false;
};

/// Nothing for what no keyboard has.
std::optional<Chord> chord_of(const TerminalKey& key);

/// The bytes that a terminal would send for it, for text pages.
std::string bytes_of(const TerminalKey& key);

}  // namespace doppel::frontend::curses
