#include <doctest/doctest.h>

#include "tests/unit/devices/vga_rig.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

TEST_CASE("vga: miscellaneous output moves the CRT controller between 3Bxh and 3Dxh") {
  VgaRig rig;
  rig.out(0x3c2, 0x67);
  CHECK(rig.in(0x3cc) == 0x67);
  rig.set(0x3d4, 0x0e, 0x12);
  CHECK(rig.get(0x3d4, 0x0e) == 0x12);
  CHECK(rig.in(0x3b4) == 0xff);
  CHECK(rig.in(0x3ba) == 0xff);
  rig.set(0x3b4, 0x0e, 0x34);  // Nobody hears it.
  CHECK(rig.get(0x3d4, 0x0e) == 0x12);
  rig.out(0x3c2, 0x66);
  CHECK(rig.get(0x3b4, 0x0e) == 0x12);
  CHECK(rig.in(0x3d5) == 0xff);
  CHECK(rig.in(0x3d4) == 0xff);
}

TEST_CASE("vga: an index and its data can be written as one word") {
  VgaRig rig;
  rig.out(0x3c2, 0x67);
  rig.vga.ports().write(0x14, Width::Word, 0xab0c);
  CHECK(rig.get(0x3d4, 0x0c) == 0xab);
  rig.vga.ports().write(0x04, Width::Word, 0x0f02);
  CHECK(rig.get(0x3c4, 2) == 0x0f);
}

TEST_CASE("vga: registers keep only the bits that exist, missing ones read as ones") {
  VgaRig rig;
  rig.sequencer(1, 0xff);
  CHECK(rig.get(0x3c4, 1) == 0x3d);
  rig.graphics(5, 0xff);
  CHECK(rig.get(0x3ce, 5) == 0x7b);
  CHECK(rig.get(0x3c4, 6) == 0xff);
  CHECK(rig.get(0x3ce, 12) == 0xff);
  rig.out(0x3c2, 1);
  CHECK(rig.get(0x3d4, 0x30) == 0xff);
}

TEST_CASE("vga: the protect bit keeps CRTC 0 to 7, but not line compare bit 8") {
  VgaRig rig;
  rig.out(0x3c2, 1);
  for (unsigned i = 0; i < 8; ++i) rig.crtc(i, 0x21 + i);
  rig.crtc(0x11, 0x80);
  for (unsigned i = 0; i < 8; ++i) rig.crtc(i, 0xff);
  for (unsigned i = 0; i < 7; ++i) CHECK(rig.get(0x3d4, i) == 0x21 + i);
  CHECK(rig.get(0x3d4, 7) == (0x28 | 0x10));
  rig.crtc(8, 0x1f);
  CHECK(rig.get(0x3d4, 8) == 0x1f);
  rig.crtc(0x11, 0);
  rig.crtc(0, 0x77);
  CHECK(rig.get(0x3d4, 0) == 0x77);
}

TEST_CASE("vga: the attribute flip-flop alternates and starts over when the status is read") {
  VgaRig rig;
  rig.out(0x3c2, 1);
  rig.in(0x3da);
  rig.out(0x3c0, 0x11);
  rig.out(0x3c0, 0x5a);
  rig.out(0x3c0, 0x12);  // Index again.
  rig.in(0x3da);
  rig.out(0x3c0, 0x13);  // Without the read this would have been data for 12h.
  rig.out(0x3c0, 0x07);
  rig.in(0x3da);
  rig.out(0x3c0, 0x11);
  CHECK(rig.in(0x3c1) == 0x5a);
  CHECK(rig.in(0x3c0) == 0x11);
  rig.in(0x3da);
  rig.out(0x3c0, 0x12);
  CHECK(rig.in(0x3c1) == 0);
  rig.in(0x3da);
  rig.out(0x3c0, 0x33);  // With bit 5, the screen is on.
  CHECK(rig.in(0x3c1) == 0x07);
  CHECK(rig.in(0x3c0) == 0x33);
}

TEST_CASE(
    "vga: the DAC takes three six-bit components, counts on, and says what it was told last") {
  VgaRig rig;
  rig.out(0x3c8, 0xff);
  CHECK(rig.in(0x3c7) == 0);
  for (const unsigned component : {0xc1u, 2u, 3u, 4u, 5u, 6u}) rig.out(0x3c9, component);
  CHECK(rig.in(0x3c8) == 1);  // FFh, 00h, and next.
  rig.out(0x3c7, 0xff);
  CHECK(rig.in(0x3c7) == 3);
  for (const unsigned component : {1u, 2u, 3u, 4u, 5u, 6u}) CHECK(rig.in(0x3c9) == component);
  // An unfinished entry changes nothing.
  rig.out(0x3c8, 0);
  rig.out(0x3c9, 0x3f);
  rig.out(0x3c9, 0x3f);
  rig.out(0x3c7, 0);
  CHECK(rig.in(0x3c9) == 4);
}

TEST_CASE("vga: display enable and retrace follow virtual time") {
  VgaRig rig;
  rig.set_mode(kText80);
  // 900 dots of 28.322 MHz a line, 449 lines: some 70 frames a second.
  constexpr u64 kFrameNs = 14'268'060;
  constexpr u64 kLineNs = kFrameNs / 449;
  rig.clock.run_until(kFrameNs * 3 + kLineNs / 4);
  CHECK((rig.in(0x3da) & 0x09) == 0);
  rig.clock.run_for(kLineNs * 5 / 8);  // Past character 80 of 100.
  CHECK((rig.in(0x3da) & 0x09) == 0x01);
  rig.clock.run_until(kFrameNs * 3 + kLineNs * 405);  // Below the last of 400 lines.
  CHECK((rig.in(0x3da) & 0x09) == 0x01);
  rig.clock.run_until(kFrameNs * 3 + kLineNs * 413);  // Retrace: lines 412 and 413.
  CHECK((rig.in(0x3da) & 0x09) == 0x09);
  rig.clock.run_until(kFrameNs * 3 + kLineNs * 415);
  CHECK((rig.in(0x3da) & 0x09) == 0x01);
}

TEST_CASE("vga: a retrace comes and goes whatever the CRT controller is told") {
  VgaRig rig;
  rig.out(0x3c2, 1);
  for (const unsigned fill : {0x00u, 0xffu, 0x55u}) {
    rig.crtc(0x11, 0);
    for (unsigned i = 0; i < 25; ++i) rig.crtc(i, i == 0x11 ? 0x0f : fill);
    bool on = false, off = false;
    for (unsigned i = 0; i < 20'000 && !(on && off); ++i) {
      rig.clock.run_for(i % 2 == 0 ? 10'007 : 311);
      ((rig.in(0x3da) & 8) != 0 ? on : off) = true;
    }
    CHECK(on);
    CHECK(off);
  }
}
