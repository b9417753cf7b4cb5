#include <doctest/doctest.h>

#include "tests/unit/devices/vga_rig.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

TEST_CASE("vbe: is recognized by its identification, and says how much memory there is") {
  VgaRig rig;
  CHECK(rig.vbe(0) == 0xb0c5);
  rig.vbe(0, 0xb0c2);
  CHECK(rig.vbe(0) == 0xb0c2);
  rig.vbe(0, 0x1234);
  CHECK(rig.vbe(0) == 0xb0c2);
  CHECK(rig.vbe(10) == 16);  // 1 MiB.
  CHECK(rig.vbe(0x7777) == 0);
  rig.vga.vbe_ports().write(0, Width::Word, 10);
  CHECK(rig.vga.vbe_ports().read(2, Width::Word) == 16);
}

TEST_CASE("vbe: capabilities are asked for with a bit and change no mode") {
  VgaRig rig;
  rig.set_vbe_mode(640, 400, 8);
  const unsigned enable = rig.vbe(4);
  rig.vbe(4, enable | 2);
  CHECK(rig.vbe(1) == 2560);
  CHECK(rig.vbe(2) == 1600);
  CHECK(rig.vbe(3) == 32);
  rig.vbe(4, enable);
  CHECK(rig.vbe(1) == 640);
  CHECK(rig.vbe(2) == 400);
  CHECK(rig.vbe(3) == 8);
}

TEST_CASE("vbe: a mode set as the video BIOS does it shows the linear memory") {
  VgaRig rig;
  rig.set_mode(kText80);
  rig.memory[0] = 0x55;
  // Off, depth, size, bank; on with memory kept; then the VGA's registers for who reads them.
  rig.vbe(4, 0);
  rig.vbe(3, 32);
  rig.vbe(1, 320);
  rig.vbe(2, 200);
  rig.vbe(5, 0);
  rig.vbe(4, 0x01 | 0x40 | 0x80);
  CHECK(rig.memory[0] == 0x55);
  rig.crtc(0x11, 0);
  rig.crtc(0x01, 320 / 8 - 1);
  rig.crtc(0x09, 0);
  rig.attribute(0x10, 0x41);
  rig.graphics(6, 0x05);
  rig.graphics(5, 0x40);
  CHECK(rig.vbe(6) == 320);
  CHECK(rig.vbe(7) == (1 << 20) / (320 * 4));
  // Pixel (3, 2) through the bank at A0000h: blue, green, red.
  rig.vga.window().write((2 * 320 + 3) * 4, Width::Dword, 0xff12'3456);
  CHECK(rig.update().resized);
  CHECK(rig.picture.width == 320);
  CHECK(rig.picture.height == 200);
  CHECK(rig.pixel(3, 2) == 0x123456);
  CHECK_FALSE(rig.vga.text().has_value());
  // And back to text.
  rig.vbe(4, 0);
  rig.set_mode(kText80);
  CHECK(rig.vga.text().has_value());
  rig.update();
  CHECK(rig.picture.width == 720);
}

TEST_CASE("vbe: memory is cleared when a mode starts, unless it is told not to") {
  VgaRig rig;
  rig.memory[1000] = 7;
  rig.set_vbe_mode(640, 480, 8, 0x81);
  CHECK(rig.memory[1000] == 7);
  rig.vbe(4, 0x01);  // On already: nothing starts.
  CHECK(rig.memory[1000] == 7);
  rig.set_vbe_mode(640, 480, 8, 0x01);
  CHECK(rig.memory[1000] == 0);
}

TEST_CASE("vbe: banks of 64 KiB show at A0000h, and go round") {
  VgaRig rig;
  rig.set_mode(kPacked);
  rig.set_vbe_mode(640, 480, 8);
  rig.vbe(5, 3);
  rig.poke(0xa0010, 0x99);
  CHECK(rig.memory[0x30010] == 0x99);
  CHECK(rig.peek(0xa0010) == 0x99);
  CHECK(rig.peek(0xb0010) == 0xff);
  rig.vga.window().write(0xfffc, Width::Dword, 0x0403'0201);
  CHECK(rig.memory[0x3ffff] == 4);
  rig.vbe(5, 16 + 3);
  CHECK(rig.vbe(5) == 3);
  rig.vbe(4, 0);
  CHECK(rig.vbe(5) == 0);
}

TEST_CASE("vbe: virtual width and offsets pan over a larger picture, never beyond memory") {
  VgaRig rig;
  rig.screen_on();
  rig.set_vbe_mode(640, 400, 8);
  rig.set_distinct_palette();
  rig.vbe(6, 1024);
  CHECK(rig.vbe(7) == 1024);
  rig.vbe(8, 100);
  rig.vbe(9, 50);
  rig.memory[(50 + 7) * 1024 + 100 + 9] = 0x21;
  rig.update();
  CHECK(rig.pixel(9, 7) == VgaRig::distinct(0x21));
  rig.vbe(9, 60000);
  CHECK(rig.vbe(9) == 1024 - 400);
  rig.vbe(8, 60000);
  CHECK(rig.vbe(8) == 1024 - 640);
  rig.update();
  CHECK(rig.picture.height == 400);
}

TEST_CASE("vbe: a size that memory cannot hold is cut down and can be read back") {
  VgaRig rig;  // 1 MiB.
  rig.set_vbe_mode(1024, 768, 32);
  CHECK(rig.vbe(1) == 1024);
  CHECK(rig.vbe(2) == 256);
  rig.set_vbe_mode(0xffff, 0xffff, 8);
  CHECK(rig.vbe(1) == 2560);
  CHECK(rig.vbe(2) == (1 << 20) / 2560);
  rig.set_vbe_mode(0, 0, 16);
  rig.update();
  CHECK(rig.picture.width == 1);
  CHECK(rig.picture.height == 1);
  rig.vbe(4, 0);
  rig.vbe(3, 17);  // No such depth.
  CHECK(rig.vbe(3) == 16);
}

TEST_CASE("vbe: every depth has its pixels") {
  VgaRig rig;
  rig.screen_on();
  const auto show = [&](unsigned depth, u32 bits) {
    rig.set_vbe_mode(64, 64, depth);
    for (unsigned i = 0; i < 4; ++i) rig.memory[i] = static_cast<u8>(bits >> (8 * i));
    rig.update();
    return rig.pixel(0, 0);
  };
  CHECK(show(15, 0x7c00) == 0xff0000);
  CHECK(show(15, 0x03e0) == 0x00ff00);
  CHECK(show(15, 0x8010) == 0x000084);
  CHECK(show(16, 0xf800) == 0xff0000);
  CHECK(show(16, 0x07e0) == 0x00ff00);
  CHECK(show(16, 0x0001) == 0x000008);
  CHECK(show(24, 0xff12'3456) == 0x123456);
  CHECK(show(32, 0xff12'3456) == 0x123456);
  // Depth 8 with a DAC of eight bits.
  rig.set_vbe_mode(64, 64, 8, 0x61);
  rig.dac(5, 0xfe, 0x81, 0x03);
  rig.memory[0] = 5;
  rig.update();
  CHECK(rig.pixel(0, 0) == 0xfe8103);
  // Depth 4: planes and the attribute palette.
  rig.set_vbe_mode(64, 64, 4);
  rig.set_distinct_palette();
  for (unsigned i = 0; i < 16; ++i) rig.attribute(i, 0x30 - i);
  rig.attribute(0x12, 0x0f);
  rig.memory[0] = 0x40;
  rig.memory[2] = 0x40;
  rig.update();
  CHECK(rig.pixel(1, 0) == VgaRig::distinct(0x30 - 5));
  CHECK(rig.pixel(0, 0) == VgaRig::distinct(0x30));
}

TEST_CASE("vbe: only rows on stamped pages are drawn again") {
  VgaRig rig;
  rig.screen_on();
  rig.set_vbe_mode(256, 256, 32);  // 1024 bytes a row, four rows a page.
  CHECK(rig.update().end == 256);
  CHECK(rig.update().end == 0);
  rig.memory[100 * 1024] = 0xff;
  CHECK(rig.update().end == 0);  // Nobody told.
  rig.vga.memory().stamp(25);
  const DisplaySource::Change change = rig.update();
  CHECK(change.first == 100);
  CHECK(change.end == 104);
  CHECK_FALSE(change.resized);
  CHECK(rig.pixel(0, 100) == 0xff);
  // Somebody else's picture is drawn as a whole, and so is the first one's next.
  Picture other;
  CHECK(rig.vga.update(other).end == 256);
  CHECK(other.pixels == rig.picture.pixels);
  CHECK(rig.update().end == 256);
}
