#include <doctest/doctest.h>

#include "tests/unit/devices/vga_rig.h"

using namespace doppel;
using namespace doppel::devices;
using namespace doppel::test;

namespace {

/// The four planes' bytes at an address, plane 0 lowest.
u32 planes(VgaRig& rig, u32 address) { return rig.vga.memory().planes(address); }

/// Mode 12h with F0h, CCh, AAh, 0Fh in planes 0 to 3 of address 5, and in the latches.
struct PlanarRig : VgaRig {
  static constexpr u32 kBefore = 0x0faa'ccf0;
  PlanarRig() {
    set_mode(kPlanar);
    for (unsigned plane = 0; plane < 4; ++plane) {
      sequencer(2, 1u << plane);
      poke(0xa0005, kBefore >> (8 * plane) & 0xff);
    }
    sequencer(2, 0x0f);
    peek(0xa0005);
  }
};

}  // namespace

// The expected values are worked out by hand from the IBM manual's description of the modes.

TEST_CASE("vga memory: the map mask selects planes, read map select chooses one") {
  PlanarRig rig;
  CHECK(planes(rig, 5) == 0x0faa'ccf0);
  for (unsigned plane = 0; plane < 4; ++plane) {
    rig.graphics(4, plane);
    CHECK(rig.peek(0xa0005) == (PlanarRig::kBefore >> (8 * plane) & 0xff));
  }
  rig.sequencer(2, 0x05);
  rig.poke(0xa0005, 0x11);
  CHECK(planes(rig, 5) == 0x0f11'cc11);
}

TEST_CASE("vga memory: write mode 0 rotates, sets and resets, and keeps masked bits from latches") {
  PlanarRig rig;
  rig.graphics(3, 0x03);  // Rotate right by three: 81h becomes 30h.
  rig.poke(0xa0006, 0x81);
  CHECK(planes(rig, 6) == 0x3030'3030);
  rig.graphics(3, 0);
  rig.graphics(0, 0x01);  // Set plane 0,
  rig.graphics(1, 0x03);  // reset plane 1; planes 2 and 3 take the data.
  rig.poke(0xa0006, 0x42);
  CHECK(planes(rig, 6) == 0x4242'00ff);
  rig.graphics(1, 0);
  rig.graphics(8, 0x3c);  // The outer bits come from the latches.
  rig.poke(0xa0006, 0xff);
  CHECK(planes(rig, 6) == 0x3fbe'fcfc);
}

TEST_CASE("vga memory: the function combines data with the latches") {
  PlanarRig rig;
  rig.graphics(3, 0x08);
  rig.poke(0xa0006, 0x3c);
  CHECK(planes(rig, 6) == 0x0c28'0c30);  // AND
  rig.graphics(3, 0x10);
  rig.poke(0xa0006, 0x3c);
  CHECK(planes(rig, 6) == 0x3fbe'fcfc);  // OR
  rig.graphics(3, 0x18);
  rig.poke(0xa0006, 0x3c);
  CHECK(planes(rig, 6) == 0x3396'f0cc);  // XOR
}

TEST_CASE("vga memory: write mode 1 copies the latches whatever the data and the bit mask") {
  PlanarRig rig;
  rig.graphics(5, 1);
  rig.graphics(8, 0x0f);
  rig.poke(0xa1234, 0x55);
  CHECK(planes(rig, 0x1234) == PlanarRig::kBefore);
}

TEST_CASE("vga memory: write mode 2 spreads a colour over the planes under the bit mask") {
  PlanarRig rig;
  rig.graphics(5, 2);
  rig.graphics(8, 0x80);
  rig.poke(0xa0005, 0x09);  // Planes 0 and 3.
  CHECK(planes(rig, 5) == 0x8f2a'4cf0);
}

TEST_CASE("vga memory: write mode 3 takes the colour from set/reset and its mask from the data") {
  PlanarRig rig;
  rig.graphics(5, 3);
  rig.graphics(0, 0x06);  // Planes 1 and 2.
  rig.graphics(3, 0x04);  // C3h rotated by four: 3Ch,
  rig.graphics(8, 0x1f);  // and of it 1Ch.
  rig.poke(0xa0005, 0xc3);
  CHECK(planes(rig, 5) == 0x03be'dce0);
}

TEST_CASE("vga memory: read mode 1 compares the planes that matter with a colour") {
  PlanarRig rig;
  rig.graphics(5, 8);
  rig.graphics(2, 0x05);  // Planes 0 and 2 set, 1 and 3 clear:
  rig.graphics(7, 0x0f);
  CHECK(rig.peek(0xa0005) == (0xf0 & 0xaa & static_cast<u8>(~0xcc & ~0x0f)));
  rig.graphics(7, 0x01);  // Only plane 0.
  CHECK(rig.peek(0xa0005) == 0xf0);
  rig.graphics(7, 0x00);  // Nothing matters: all agree.
  CHECK(rig.peek(0xa0005) == 0xff);
}

TEST_CASE("vga memory: chain-4 puts neighbours into neighbouring planes") {
  VgaRig rig;
  rig.set_mode(kPacked);
  for (unsigned i = 0; i < 8; ++i) rig.poke(0xa0000 + i, 0x10 + i);
  CHECK(planes(rig, 0) == 0x1312'1110);
  CHECK(planes(rig, 4) == 0x1716'1514);
  CHECK(rig.peek(0xa0006) == 0x16);
  // Any width and alignment.
  rig.vga.window().write(0xffd, Width::Dword, 0x4433'2211);
  CHECK(rig.vga.window().read(0xffd, Width::Dword) == 0x4433'2211);
  CHECK(rig.vga.window().read(0xffe, Width::Qword) == 0x0044'3322);
  // The map mask still counts.
  rig.sequencer(2, 0x0d);
  rig.vga.window().write(0, Width::Dword, 0xaabb'ccdd);
  CHECK(planes(rig, 0) == 0xaabb'11dd);
}

TEST_CASE("vga memory: text puts characters into plane 0 and attributes into plane 1") {
  VgaRig rig;
  rig.set_mode(kText80);
  rig.poke16(0xb8000, 0x1f41);
  rig.poke16(0xb8002, 0x2e42);
  CHECK(planes(rig, 0) == 0x1f41);
  CHECK(planes(rig, 2) == 0x2e42);
  CHECK(rig.peek(0xb8003) == 0x2e);
  rig.poke16(0xb8001, 0x5a5b);  // Attribute of the first, character of the second.
  CHECK(planes(rig, 0) == 0x5b41);
  CHECK(planes(rig, 2) == 0x2e5a);
  CHECK(rig.vga.window().read(0x18000, Width::Dword) == 0x2e5a'5b41);
}

TEST_CASE("vga memory: fast and general stores agree") {
  for (const VgaModeTable* mode : {&kPacked, &kText80}) {
    const u32 base = mode == &kText80 ? 0x18000 : 0;
    VgaRig fast, general;
    fast.set_mode(*mode);
    general.set_mode(*mode);
    // XOR with latches of zero does the same, slowly.
    general.graphics(3, 0x18);
    u32 state = 12345;
    for (unsigned i = 0; i < 2000; ++i) {
      state = state * 1664525 + 1013904223;
      const u32 offset = base + (state >> 8) % 0x7ff0;
      const Width width = static_cast<Width>(1u << (state >> 28 & 3));
      fast.vga.window().write(offset, width, state);
      general.vga.window().write(offset, width, state);
      CHECK(fast.vga.window().read(offset, width) == (state & all_ones(width)));
    }
    CHECK(fast.memory == general.memory);
  }
}

TEST_CASE("vga memory: only the selected part of the window is there") {
  VgaRig rig;
  rig.set_mode(kText80);  // B8000h-BFFFFh.
  rig.poke(0xa0000, 0x55);
  rig.poke(0xb7fff, 0x55);
  CHECK(rig.peek(0xa0000) == 0xff);
  CHECK(rig.peek(0xb7fff) == 0xff);
  CHECK(rig.peek(0xb8000) == 0);
  rig.graphics(6, 0x0a);  // B0000h-B7FFFh.
  rig.poke(0xb0000, 0x42);
  CHECK(rig.peek(0xb0000) == 0x42);
  CHECK(rig.peek(0xb8000) == 0xff);
  CHECK(rig.vga.window().read(0x17fff, Width::Word) == 0xff00);
}

TEST_CASE("vga memory: a store stamps its page and no other") {
  VgaRig rig;
  rig.set_mode(kPlanar);
  VgaMemory& memory = rig.vga.memory();
  memory.begin_epoch();
  const u32 epoch = memory.epoch();
  rig.poke(0xa0400, 1);  // Planes' address 400h: bytes 1000h to 1003h.
  CHECK(memory.changed_since(epoch, 0x1000, 1));
  CHECK(memory.changed_since(epoch, 0xfff, 2));
  CHECK_FALSE(memory.changed_since(epoch, 0, 0x1000));
  CHECK_FALSE(memory.changed_since(epoch, 0x2000, 0x10000));
  memory.begin_epoch();
  CHECK_FALSE(memory.changed_since(memory.epoch(), 0, memory.size_bytes()));
}
