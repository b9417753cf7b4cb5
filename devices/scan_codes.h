#pragma once

#include <array>

#include "cpu/base/archive.h"
#include "cpu/base/types.h"

namespace doppel::devices {

/// What the 8042 makes of a byte from the keyboard when it translates: scan set 2 to set 1, one
/// byte at a time; F0h vanishes into bit 7 of the byte after it.
/// @source  IBM PC/AT Technical Reference, "Keyboard Controller", scan code translation
class SetOneTranslator {
 public:
  /// False: the byte was a break prefix, nothing goes out.
  bool translate(u8 byte, u8& out);
  void reset() { release_ = false; }
  void serialize(Archive& archive) { archive(release_); }

 private:
  bool release_ = false;
};

/// The code of a key in scan set 3, from its set 2 code; zero if set 3 has no such key.
/// @param extended  The set 2 code follows E0h.
u8 set_three_code(u8 set_two_code, bool extended);

/// What a key does in set 3 beside telling that it was pressed.
namespace key_type {
inline constexpr u8 kMakeOnly = 0;
inline constexpr u8 kRepeats = 1;
inline constexpr u8 kReleases = 2;
}  // namespace key_type

/// The types of all keys by their set 3 codes, until software changes them.
/// @source  IBM PS/2 Hardware Interface Technical Reference, "Scan Code Set 3"
std::array<u8, 256> set_three_key_types();

}  // namespace doppel::devices
