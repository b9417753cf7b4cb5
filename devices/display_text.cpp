#include "devices/display_text.h"

#include <string_view>

#include "cpu/base/utf8.h"

namespace doppel::devices {

namespace {

/// What the character generator of the PC holds; 00h and FFh are blank.
/// @source  IBM code page 437, "Code page 00437"; Unicode mapping by Unicode's CP437.TXT
constexpr std::u32string_view kPictures = U" ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼";
constexpr std::u32string_view kUpperHalf =
    U"ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒ"
    U"áíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐"
    U"└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀"
    U"αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ ";
static_assert(kPictures.size() == 0x20 && kUpperHalf.size() == 0x80);
constexpr char32_t kHouse = U'⌂';  // 7Fh.

}  // namespace

char32_t code_page_437(u8 code) {
  if (code < 0x20) return kPictures[code];
  if (code < 0x7f) return code;
  return code == 0x7f ? kHouse : kUpperHalf[code - 0x80];
}

std::string to_utf8(const TextScreen& screen) {
  std::string text;
  for (unsigned row = 0; row < screen.rows; ++row) {
    if (row != 0) text.push_back('\n');
    size_t end = text.size();  // Of what is not blank.
    for (unsigned column = 0; column < screen.columns; ++column) {
      const char32_t character =
          code_page_437(screen.cells[size_t{row} * screen.columns + column].character);
      append_utf8(text, character);
      if (character != U' ') end = text.size();
    }
    text.resize(end);
  }
  return text;
}

}  // namespace doppel::devices
