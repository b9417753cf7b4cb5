#include <doctest/doctest.h>

#include <random>

#include "tests/unit/devices/vga_rig.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

namespace {

/// Text with a palette in which every colour is its own, and a letter of two strokes.
struct TextRig : VgaRig {
  static constexpr u8 kLetter = 'L';
  TextRig() {
    set_mode(kText80);
    set_distinct_palette();
    load_glyph(0, kLetter, {0x81, 0x80, 0xff});
    crtc(0x0a, 0x20);  // No cursor.
    for (unsigned row = 0; row < 25; ++row) {
      for (unsigned column = 0; column < 80; ++column) put(column, row, ' ', 0x07);
    }
  }
  /// What text colour `colour` shows: through the attribute palette.
  static u32 shown(unsigned colour) { return distinct(kText80.attribute[colour]); }
  void run_frames(u64 count) { clock.run_for(count * 14'268'060); }
};

std::string row_of(const VgaRig& rig, unsigned x, unsigned y, unsigned count, u32 foreground) {
  std::string text;
  for (unsigned i = 0; i < count; ++i) text += rig.pixel(x + i, y) == foreground ? '#' : '.';
  return text;
}

}  // namespace

TEST_CASE("vga text: a letter is drawn from the font in plane 2, nine dots wide") {
  TextRig rig;
  rig.put(2, 1, TextRig::kLetter, 0x1e);
  rig.update();
  REQUIRE(rig.picture.width == 720);
  REQUIRE(rig.picture.height == 400);
  const u32 yellow = TextRig::shown(14);
  CHECK(row_of(rig, 18, 16, 9, yellow) == "#......#.");
  CHECK(row_of(rig, 18, 17, 9, yellow) == "#........");
  CHECK(row_of(rig, 18, 18, 9, yellow) == "########.");
  CHECK(row_of(rig, 18, 19, 9, yellow) == ".........");
  CHECK(rig.pixel(19, 16) == TextRig::shown(1));
  CHECK(rig.pixel(26, 18) == TextRig::shown(1));
  CHECK(rig.pixel(17, 16) == TextRig::shown(0));
}

TEST_CASE("vga text: the ninth dot continues line drawing characters only") {
  TextRig rig;
  rig.load_glyph(0, 0xc4, {0xff});
  rig.load_glyph(0, 0xb3, {0xff});
  rig.put(0, 0, 0xc4, 0x07);
  rig.put(1, 0, 0xb3, 0x07);
  rig.update();
  CHECK(row_of(rig, 0, 0, 18, TextRig::shown(7)) == "#################.");
  rig.attribute(0x10, 0x08);
  rig.update();
  CHECK(row_of(rig, 0, 0, 18, TextRig::shown(7)) == "########.########.");
  rig.sequencer(1, 1);  // Eight dots.
  rig.attribute(0x13, 0);
  rig.update();
  CHECK(rig.picture.width == 640);
  CHECK(row_of(rig, 0, 0, 17, TextRig::shown(7)) == "################.");
}

TEST_CASE("vga text: attribute bit 3 chooses between two fonts when they differ") {
  TextRig rig;
  rig.load_glyph(0x2000, TextRig::kLetter, {0x3c});
  rig.sequencer(3, 0x20);  // A is block 4 (at 8 KiB), B is block 0.
  rig.put(0, 0, TextRig::kLetter, 0x07);
  rig.put(1, 0, TextRig::kLetter, 0x0f);
  rig.update();
  CHECK(row_of(rig, 0, 0, 9, TextRig::shown(7)) == "#......#.");
  CHECK(row_of(rig, 9, 0, 9, TextRig::shown(15)) == "..####...");
}

TEST_CASE("vga text: the cursor covers its scan lines and blinks every eight frames") {
  TextRig rig;
  rig.crtc(0x0a, 13);
  rig.crtc(0x0b, 14);
  rig.crtc(0x0e, 0);
  rig.crtc(0x0f, 81);  // Column 1 of row 1.
  rig.update();
  const u32 white = TextRig::shown(7);
  CHECK(row_of(rig, 8, 16 + 12, 11, white) == "...........");
  CHECK(row_of(rig, 8, 16 + 13, 11, white) == ".#########.");
  CHECK(row_of(rig, 8, 16 + 14, 11, white) == ".#########.");
  CHECK(row_of(rig, 8, 16 + 15, 11, white) == "...........");
  CHECK(rig.update().end == 0);
  rig.run_frames(9);
  const DisplaySource::Change change = rig.update();
  CHECK(change.first == 16);
  CHECK(change.end == 32);
  CHECK(row_of(rig, 8, 16 + 13, 11, white) == "...........");
  rig.run_frames(8);
  rig.update();
  CHECK(row_of(rig, 8, 16 + 13, 11, white) == ".#########.");
  // Moved: old and new row.
  rig.crtc(0x0f, 5);
  CHECK(rig.update().first == 0);
  CHECK(row_of(rig, 44, 13, 11, white) == ".#########.");
  CHECK(row_of(rig, 8, 16 + 13, 11, white) == "...........");
  rig.crtc(0x0a, 0x20 | 13);
  rig.update();
  CHECK(row_of(rig, 44, 13, 11, white) == "...........");
  // From below its end: none.
  rig.crtc(0x0a, 15);
  rig.update();
  CHECK(row_of(rig, 44, 15, 11, white) == "...........");
}

TEST_CASE("vga text: blinking characters vanish for sixteen frames, or bit 7 is a colour") {
  TextRig rig;
  rig.put(0, 3, TextRig::kLetter, 0x9e);
  rig.update();
  CHECK(row_of(rig, 0, 48, 9, TextRig::shown(14)) == "#......#.");
  CHECK(rig.pixel(1, 48) == TextRig::shown(1));
  rig.run_frames(17);
  rig.update();
  CHECK(row_of(rig, 0, 48, 9, TextRig::shown(1)) == "#########");
  rig.attribute(0x10, 0x04);
  rig.update();
  CHECK(row_of(rig, 0, 48, 9, TextRig::shown(14)) == "#......#.");
  CHECK(rig.pixel(1, 48) == TextRig::shown(9));
}

TEST_CASE("vga text: monochrome attributes 1 and 9 are underlined") {
  TextRig rig;
  rig.crtc(0x14, 12);
  rig.put(0, 0, TextRig::kLetter, 0x01);
  rig.put(1, 0, TextRig::kLetter, 0x07);
  rig.update();
  CHECK(row_of(rig, 0, 12, 10, TextRig::shown(1)) == "..........");
  rig.attribute(0x10, 0x0e);
  rig.update();
  CHECK(row_of(rig, 0, 12, 10, TextRig::shown(1)) == "#########.");
}

TEST_CASE("vga text: one changed character draws one row again") {
  TextRig rig;
  rig.update();
  rig.put(40, 7, 'x', 0x07);
  const DisplaySource::Change change = rig.update();
  CHECK(change.first == 7 * 16);
  CHECK(change.end == 8 * 16);
  // The same again changes nothing; a font changes everything.
  rig.put(40, 7, 'x', 0x07);
  CHECK(rig.update().end == 0);
  rig.memory[4 * (32 * 'x') + 2] = 0xff;
  rig.vga.memory().stamp(4 * (32 * 'x') >> 12);
  CHECK(rig.update().end == 400);
  CHECK(row_of(rig, 360, 112, 9, TextRig::shown(7)) == "########.");
}

TEST_CASE("vga text: start address, preset row scan and panning move the screen smoothly") {
  TextRig rig;
  rig.put(1, 1, TextRig::kLetter, 0x07);
  rig.crtc(0x0d, 80);  // One row up.
  rig.update();
  CHECK(row_of(rig, 9, 0, 9, TextRig::shown(7)) == "#......#.");
  rig.crtc(0x08, 2);  // Two lines more.
  rig.update();
  CHECK(row_of(rig, 9, 0, 9, TextRig::shown(7)) == "########.");
  rig.attribute(0x13, 2);  // With nine dots: three to the left.
  rig.update();
  CHECK(row_of(rig, 6, 0, 9, TextRig::shown(7)) == "########.");
  rig.crtc(0x08, 0x22);  // A whole character more.
  rig.attribute(0x13, 8);
  rig.update();
  CHECK(row_of(rig, 0, 0, 9, TextRig::shown(7)) == "########.");
}

TEST_CASE("vga: mode 13h shows bytes through the DAC and its mask, two dots wide, two lines high") {
  VgaRig rig;
  rig.set_mode(kPacked);
  rig.set_distinct_palette();
  rig.poke(0xa0000 + 199 * 320 + 319, 0xc5);
  rig.poke(0xa0000 + 1 * 320 + 2, 0x47);
  rig.update();
  REQUIRE(rig.picture.width == 640);
  REQUIRE(rig.picture.height == 400);
  CHECK(rig.pixel(639, 399) == VgaRig::distinct(0xc5));
  CHECK(rig.pixel(638, 398) == VgaRig::distinct(0xc5));
  CHECK(rig.pixel(637, 399) == VgaRig::distinct(0));
  CHECK(rig.pixel(4, 2) == VgaRig::distinct(0x47));
  CHECK(rig.pixel(5, 3) == VgaRig::distinct(0x47));
  CHECK(rig.pixel(4, 4) == VgaRig::distinct(0));
  rig.out(0x3c6, 0x0f);
  rig.update();
  CHECK(rig.pixel(4, 2) == VgaRig::distinct(0x07));
  // One pixel: the rows that share its page, not the screen.
  rig.out(0x3c6, 0xff);
  rig.update();
  rig.poke(0xa0000 + 100 * 320, 1);
  const DisplaySource::Change change = rig.update();
  CHECK(change.first <= 200);
  CHECK(change.end >= 202);
  CHECK(change.end - change.first < 20);
}

TEST_CASE("vga: without chain-4 four planes share the columns") {
  VgaRig rig;
  rig.set_mode(kPacked);
  rig.set_distinct_palette();
  rig.sequencer(4, 0x06);
  rig.crtc(0x14, 0);
  rig.crtc(0x17, 0xe3);
  rig.sequencer(2, 0x04);
  rig.poke(0xa0000 + 3 * 80 + 1, 0x33);  // Plane 2: pixel 4 + 2 of row 3.
  rig.update();
  CHECK(rig.pixel(12, 6) == VgaRig::distinct(0x33));
  CHECK(rig.pixel(11, 6) == VgaRig::distinct(0));
  CHECK(rig.pixel(14, 6) == VgaRig::distinct(0));
}

TEST_CASE(
    "vga: below the line compare the screen starts at address zero, unpanned if it is told so") {
  VgaRig rig;
  rig.set_mode(kPacked);
  rig.set_distinct_palette();
  rig.poke(0xa0000, 0x11);              // Start of the lower part.
  rig.poke(0xa0000 + 100 * 320, 0x22);  // Start of the upper part.
  rig.poke(0xa0000 + 100 * 320 + 1, 0x23);
  rig.crtc(0x0c, 8000 >> 8);
  rig.crtc(0x0d, 8000 & 0xff);
  rig.crtc(0x11, 0);
  rig.crtc(0x18, 299 & 0xff);
  rig.crtc(0x07, 0x1f);  // Line compare bit 8 is set,
  rig.crtc(0x09, 0x01);  // bit 9 is not.
  rig.update();
  CHECK(rig.pixel(0, 0) == VgaRig::distinct(0x22));
  CHECK(rig.pixel(0, 299) == VgaRig::distinct(0));
  CHECK(rig.pixel(0, 300) == VgaRig::distinct(0x11));
  CHECK(rig.pixel(0, 302) == VgaRig::distinct(0));
  rig.attribute(0x13, 2);
  rig.update();
  CHECK(rig.pixel(0, 0) == VgaRig::distinct(0x23));
  CHECK(rig.pixel(0, 300) == VgaRig::distinct(0));
  rig.attribute(0x10, 0x61);
  rig.update();
  CHECK(rig.pixel(0, 0) == VgaRig::distinct(0x23));
  CHECK(rig.pixel(0, 300) == VgaRig::distinct(0x11));
}

TEST_CASE("vga: planar pixels go through attribute palette, plane enable and colour select") {
  VgaRig rig;
  rig.set_mode(kPlanar);
  rig.set_distinct_palette();
  rig.sequencer(2, 0x0a);  // Colour 10 at (643 / 640).
  rig.poke(0xa0000 + 80, 0x10);
  rig.update();
  REQUIRE(rig.picture.height == 480);
  CHECK(rig.pixel(3, 1) == VgaRig::distinct(0x3a));
  CHECK(rig.pixel(4, 1) == VgaRig::distinct(0));
  rig.attribute(0x12, 0x07);  // Without plane 3: colour 2.
  rig.update();
  CHECK(rig.pixel(3, 1) == VgaRig::distinct(0x02));
  rig.attribute(0x12, 0x0f);
  rig.attribute(0x10, 0x81);
  rig.attribute(0x14, 0x09);  // Bits 7-6 and, with mode bit 7, 5-4.
  rig.update();
  CHECK(rig.pixel(3, 1) == VgaRig::distinct(0x9a));
}

TEST_CASE("vga: the CGA modes have their pixels in two banks of rows") {
  VgaRig rig;
  rig.set_mode(kCga4);
  rig.set_distinct_palette();
  rig.poke(0xb8000, 0x1b);                // Pixels 0, 1, 2, 3.
  rig.poke(0xb8001, 0xe4);                // Pixels 3, 2, 1, 0.
  rig.poke(0xb8000 + 0x2000 + 79, 0x02);  // Last pixel of row 1.
  rig.update();
  REQUIRE(rig.picture.width == 640);
  REQUIRE(rig.picture.height == 400);
  const unsigned colours[]{0, 0x13, 0x15, 0x17, 0x17, 0x15, 0x13, 0};
  for (unsigned i = 0; i < 8; ++i) CHECK(rig.pixel(2 * i + 1, 1) == VgaRig::distinct(colours[i]));
  CHECK(rig.pixel(638, 2) == VgaRig::distinct(0x15));
  CHECK(rig.pixel(638, 3) == VgaRig::distinct(0x15));
  CHECK(rig.pixel(638, 4) == VgaRig::distinct(0));

  rig.set_mode(kCga2);
  std::fill(rig.memory.begin(), rig.memory.end(), u8{0});
  rig.poke(0xb8000 + 0x2000 + 80, 0x40);  // Row 3.
  rig.update();
  CHECK(rig.picture.width == 640);
  CHECK(rig.pixel(1, 6) == VgaRig::distinct(0x17));
  CHECK(rig.pixel(1, 4) == VgaRig::distinct(0));
  CHECK(rig.pixel(2, 6) == VgaRig::distinct(0));
}

TEST_CASE("vga: a screen that is off is black, one that nobody set up is small") {
  VgaRig rig;
  rig.update();
  CHECK(rig.picture.width <= 16);
  CHECK(rig.picture.height == 1);
  CHECK_FALSE(rig.vga.text().has_value());
  rig.set_mode(kPacked);
  rig.set_distinct_palette();
  rig.update();
  CHECK(rig.pixel(0, 0) == VgaRig::distinct(0));
  rig.sequencer(1, 0x21);
  CHECK(rig.update().end == 400);
  CHECK(rig.pixel(0, 0) == 0);
  rig.sequencer(1, 0x01);
  rig.update();
  CHECK(rig.pixel(0, 0) == VgaRig::distinct(0));
  rig.in(0x3da);
  rig.out(0x3c0, 0);
  rig.update();
  CHECK(rig.pixel(0, 0) == 0);
}

TEST_CASE("vga: a saved card shows the same picture and goes on the same way") {
  TextRig rig;
  rig.put(3, 3, TextRig::kLetter, 0x2f);
  rig.crtc(0x0f, 7);
  rig.crtc(0x0a, 0);
  rig.out(0x3c8, 7);
  rig.out(0x3c9, 1);  // In the middle of a DAC entry,
  rig.in(0x3da);
  rig.out(0x3c0, 0x31);  // and of an attribute.
  rig.peek(0xb8000 + 2 * (3 * 80 + 3));
  rig.vbe(3, 24);
  rig.update();
  const std::vector<u8> bytes = saved(rig.vga);
  VgaRig copy;
  REQUIRE(load(copy.vga, bytes));
  copy.memory = rig.memory;
  copy.update();
  CHECK(copy.picture.width == rig.picture.width);
  CHECK(copy.picture.pixels == rig.picture.pixels);
  CHECK(saved(copy.vga) == bytes);
  for (VgaRig* one : {static_cast<VgaRig*>(&rig), &copy}) {
    one->out(0x3c0, 0x15);
    one->out(0x3c9, 2);
    one->out(0x3c9, 3);
    one->set_vbe_mode(100, 100, 24);
    one->update();
  }
  CHECK(saved(copy.vga) == saved(rig.vga));
  CHECK(copy.picture.pixels == rig.picture.pixels);
}

TEST_CASE("vga: damaged state is refused or harmless") {
  VgaRig rig;
  rig.set_mode(kText80);
  const std::vector<u8> good = saved(rig.vga);
  std::mt19937 random(7);
  VgaRig victim;
  for (unsigned i = 0; i < 300; ++i) {
    std::vector<u8> bad = good;
    for (unsigned k = 0; k < 8; ++k) bad[random() % bad.size()] = static_cast<u8>(random());
    load(victim.vga, bad);
    victim.update();
    victim.vga.text();
    victim.poke(0xa0000 + random() % 0x20000, random());
  }
  CHECK_FALSE(load(victim.vga, std::vector<u8>(10)));
}

TEST_CASE("vga: no sequence of accesses reads or writes outside of its memory") {
  const unsigned seed = 20240611;
  CAPTURE(seed);
  std::mt19937 random(seed);
  VgaRig rig(1 << 18);
  for (unsigned i = 0; i < 100'000; ++i) {
    const u32 value = static_cast<u32>(random());
    const Width width = static_cast<Width>(1u << (random() % 4));
    switch (random() % 16) {
      case 0:
      case 1:
        rig.vga.window().write(random() % 0x20000, width, value);
        break;
      case 2:
        rig.vga.window().read(random() % 0x20000, width);
        break;
      case 3:
        rig.vbe(random() % 12, value & 0xffff);
        break;
      case 4:
        rig.vga.mono_ports().write(random() % 12, width, value);
        break;
      case 5:
        rig.vga.ports().read(random() % 32, width);
        break;
      case 6:
        rig.vga.vbe_ports().read(random() % 4, width);
        break;
      default: {
        constexpr std::array<u16, 4> kIndexed{0x3c4, 0x3ce, 0x3d4, 0x3d4};
        if (random() % 4 == 0) rig.out(0x3c0 + random() % 32, value & 0xff);
        rig.set(kIndexed[random() % 4], random() % 32, value & 0xff);
        break;
      }
    }
    if (i % 1000 != 0) continue;
    rig.clock.run_for(value % 1'000'000'000);
    if (random() % 4 != 0) rig.attribute(random() % 21, value >> 8 & 0xff);
    rig.update();
    CHECK(rig.picture.width <= 2560);
    CHECK(rig.picture.height <= 1600);
    CHECK(rig.picture.pixels.size() == size_t{rig.picture.width} * rig.picture.height);
    rig.vga.text();
  }
}
