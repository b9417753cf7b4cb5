#include <doctest/doctest.h>

#include "tests/support/test_cpu.h"

using namespace doppel;
using namespace doppel::test;

TEST_CASE("stack: PUSH SP pushes the old pointer and POP SP keeps the value") {
  TestCpu t;
  t.enter_long();
  REQUIRE(t.execute({0x54}).ok());
  CHECK(t.state().gpr[RSP] == 0x8ff8);
  CHECK(t.peek<u64>(0x8ff8) == 0x9000);
  t.poke<u64>(0x8ff8, 0x7777);
  REQUIRE(t.execute({0x5c}).ok());
  CHECK(t.state().gpr[RSP] == 0x7777);
}

TEST_CASE("stack: an immediate is sign-extended to the operand size") {
  TestCpu t;
  t.enter_long();
  REQUIRE(t.execute({0x6a, 0xff}).ok());
  CHECK(t.peek<u64>(0x8ff8) == ~u64{0});
  REQUIRE(t.execute({0x66, 0x6a, 0x80}).ok());
  CHECK(t.state().gpr[RSP] == 0x8ff6);
  CHECK(t.peek<u16>(0x8ff6) == 0xff80);
}

TEST_CASE("stack: POP to [ESP] uses the incremented pointer and undoes it on a fault") {
  TestCpu t;
  t.enter_protected();
  t.poke<u32>(0x9000, 0xcafe);
  REQUIRE(t.execute({0x8f, 0x44, 0x24, 0x08}).ok());  // pop dword [esp+8]
  CHECK(t.peek<u32>(0x900c) == 0xcafe);
  CHECK(t.state().gpr[RSP] == 0x9004);
  t.state().segment(Seg::DS) = TestCpu::segment(TestCpu::kData32, 0, 0x0fff, 0x493);
  t.cpu.update_mode();
  t.state().gpr[RBX] = 0x1000;
  CHECK(faulted(t.execute({0x8f, 0x03}), Vector::GP));
  CHECK(t.state().gpr[RSP] == 0x9004);
}

TEST_CASE("stack: PUSHA writes all eight registers or none") {
  TestCpu t;
  t.enter_protected();
  for (unsigned i = 0; i < 8; ++i) t.state().gpr[i] = 0x100 + i;
  t.state().gpr[RSP] = 0x9000;
  REQUIRE(t.execute({0x60}).ok());
  CHECK(t.state().gpr[RSP] == 0x8fe0);
  CHECK(t.peek<u32>(0x8ffc) == 0x100);
  CHECK(t.peek<u32>(0x8fec) == 0x9000);
  CHECK(t.peek<u32>(0x8fe0) == 0x107);
  for (unsigned i = 0; i < 8; ++i) {
    if (i != RSP) t.state().gpr[i] = 0;
  }
  REQUIRE(t.execute({0x61}).ok());
  CHECK(t.state().gpr[RSP] == 0x9000);
  CHECK(t.state().gpr[RDI] == 0x107);
  CHECK(t.state().gpr[RAX] == 0x100);

  // An expand-down stack that ends in the middle: nothing may be written.
  t.state().segment(Seg::SS) = TestCpu::segment(TestCpu::kData32, 0, 0x8fef, 0x497);
  t.cpu.update_mode();
  t.poke<u32>(0x8ffc, 0);
  CHECK(faulted(t.execute({0x60}), Vector::SS));
  CHECK(t.peek<u32>(0x8ffc) == 0);
  CHECK(t.state().gpr[RSP] == 0x9000);
}

TEST_CASE("stack: 16-bit PUSHA wraps at the end of the segment") {
  TestCpu t;
  t.enter_v86(3);
  t.state().gpr[RSP] = 4;
  t.state().gpr[RAX] = 0xaaaa;
  t.state().gpr[RDX] = 0xdddd;
  REQUIRE(t.execute({0x60}).ok());
  CHECK(t.state().gpr[RSP] == 0xfff4);
  CHECK(t.peek<u16>(0x9000 + 2) == 0xaaaa);
  CHECK(t.peek<u16>(0x9000 + 0xfffe) == 0xdddd);
}

TEST_CASE("stack: ENTER copies the enclosing frame pointers") {
  TestCpu t;
  t.enter_protected();
  t.state().gpr[RBP] = 0x8000;
  t.poke<u32>(0x7ffc, 0x11);
  t.poke<u32>(0x7ff8, 0x22);
  REQUIRE(t.execute({0xc8, 0x10, 0x00, 0x03}).ok());
  CHECK(t.peek<u32>(0x8ffc) == 0x8000);
  CHECK(t.peek<u32>(0x8ff8) == 0x11);
  CHECK(t.peek<u32>(0x8ff4) == 0x22);
  CHECK(t.peek<u32>(0x8ff0) == 0x8ffc);
  CHECK(t.state().gpr[RBP] == 0x8ffc);
  CHECK(t.state().gpr[RSP] == 0x8ff0 - 0x10);
  REQUIRE(t.execute({0xc9}).ok());
  CHECK(t.state().gpr[RSP] == 0x9000);
  CHECK(t.state().gpr[RBP] == 0x8000);
}

TEST_CASE("stack: ENTER whose room cannot be written leaves no trace") {
  TestCpu t;
  t.enter_protected();
  t.state().segment(Seg::SS) = TestCpu::segment(TestCpu::kData32, 0, 0x8eff, 0x497);
  t.cpu.update_mode();
  t.state().gpr[RBP] = 0x8000;
  t.poke<u32>(0x8ffc, 0x55);
  CHECK(faulted(t.execute({0xc8, 0x00, 0x02, 0x00}), Vector::SS));
  CHECK(t.peek<u32>(0x8ffc) == 0x55);
  CHECK(t.state().gpr[RBP] == 0x8000);
  CHECK(t.state().gpr[RSP] == 0x9000);
}
