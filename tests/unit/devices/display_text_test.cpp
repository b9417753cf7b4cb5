#include "devices/display_text.h"

#include <doctest/doctest.h>

#include "tests/unit/devices/vga_rig.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

TEST_CASE("display text: code page 437 in UTF-8, without blanks at the ends of rows") {
  TextScreen screen;
  screen.columns = 4;
  screen.rows = 3;
  const u8 codes[12]{0xc9, 0xcd, 0xbb, ' ', ' ', 'a', 0x00, 0xff, 0x01, 0x7f, 0xe1, 0xfe};
  for (const u8 code : codes) screen.cells.push_back({code, 7});
  CHECK(to_utf8(screen) == "╔═╗\n a\n☺⌂ß■");
  CHECK(to_utf8(TextScreen{}).empty());
}

TEST_CASE("display text: landmarks of code page 437 are where IBM put them") {
  CHECK(code_page_437('A') == U'A');
  CHECK(code_page_437(0x1a) == U'→');
  CHECK(code_page_437(0x80) == U'Ç');
  CHECK(code_page_437(0x9b) == U'¢');
  CHECK(code_page_437(0xb0) == U'░');
  CHECK(code_page_437(0xc4) == U'─');
  CHECK(code_page_437(0xdb) == U'█');
  CHECK(code_page_437(0xe3) == U'π');
  CHECK(code_page_437(0xf8) == U'°');
}

TEST_CASE("vga text: the screen's characters follow start address and cursor") {
  VgaRig rig;
  rig.set_mode(kText80);
  for (unsigned row = 0; row < 26; ++row) {
    for (unsigned column = 0; column < 80; ++column) rig.put(column, row, ' ', 0x07);
  }
  const u8 box[]{0xda, 0xc4, 0xbf};
  for (unsigned i = 0; i < 3; ++i) rig.put(i, 0, box[i], 0x07);
  rig.put(79, 24, '!', 0x4f);
  rig.put(0, 25, '>', 0x07);
  rig.crtc(0x0e, (3 * 80 + 5) >> 8);
  rig.crtc(0x0f, (3 * 80 + 5) & 0xff);
  std::optional<TextScreen> screen = rig.vga.text();
  REQUIRE(screen.has_value());
  CHECK(screen->columns == 80);
  CHECK(screen->rows == 25);
  CHECK(screen->cells[24 * 80 + 79].attribute == 0x4f);
  CHECK(screen->cursor_visible);
  CHECK(screen->cursor_column == 5);
  CHECK(screen->cursor_row == 3);
  CHECK(to_utf8(*screen) == "┌─┐" + std::string(24, '\n') + std::string(79, ' ') + "!");
  rig.crtc(0x0d, 80);  // Scrolled by one row.
  screen = rig.vga.text();
  CHECK(screen->cursor_row == 2);
  CHECK(screen->cells[24 * 80].character == '>');
  rig.crtc(0x0a, 0x20);
  CHECK_FALSE(rig.vga.text()->cursor_visible);
  rig.set_mode(kPlanar);
  CHECK_FALSE(rig.vga.text().has_value());
}
