#include <doctest/doctest.h>

#include "tests/support/test_cpu.h"

using namespace doppel;
using namespace doppel::test;

TEST_CASE("shift: a masked count of zero leaves all flags, and clears the upper half of 32 bits") {
  TestCpu t;
  t.enter_long();
  t.state().flags.set(rflags::kArithmetic);
  t.state().gpr[RAX] = 0xffff'ffff'8000'0001;
  t.state().gpr[RCX] = 32;
  REQUIRE(t.execute({0xd3, 0xe0}).ok());  // shl eax, cl
  CHECK(t.state().flags.get() == rflags::kArithmetic);
  CHECK(t.state().gpr[RAX] == 0x8000'0001);
}

TEST_CASE("shift: SHL by one overflows when the sign changes") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RAX] = 0x40;
  REQUIRE(t.execute({0xd0, 0xe0}).ok());  // shl al, 1
  CHECK(t.state().flags.of());
  CHECK_FALSE(t.state().flags.cf());
  REQUIRE(t.execute({0xd0, 0xe0}).ok());
  CHECK(t.state().flags.of());
  CHECK(t.state().flags.cf());
  CHECK(t.state().flags.zf());
}

TEST_CASE("shift: a narrow operand can be shifted past its width") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RAX] = 0x1'80;
  REQUIRE(t.execute({0xc0, 0xe8, 0x08}).ok());  // shr al, 8
  CHECK(t.state().gpr[RAX] == 0x100);
  CHECK(t.state().flags.cf());
  t.state().gpr[RAX] = 0x80;
  REQUIRE(t.execute({0xc0, 0xf8, 0x1f}).ok());  // sar al, 31
  CHECK(t.state().gpr[RAX] == 0xff);
  CHECK(t.state().flags.cf());
}

TEST_CASE("shift: rotates change CF and OF alone") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RAX] = 0x8000;
  t.state().flags.set(rflags::ZF | rflags::PF | rflags::AF | rflags::SF);
  REQUIRE(t.execute({0x66, 0xd1, 0xc0}).ok());  // rol ax, 1
  CHECK(t.state().gpr[RAX] == 1);
  CHECK(t.state().flags.get() == rflags::kArithmetic);
}

TEST_CASE("shift: RCL and RCR turn a ring of width + 1 bits") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RAX] = 0x5a;
  t.state().flags.set(rflags::CF);
  REQUIRE(t.execute({0xc0, 0xd0, 0x09}).ok());  // rcl al, 9
  CHECK(t.state().gpr[RAX] == 0x5a);
  CHECK(t.state().flags.cf());
  for (int i = 0; i < 9; ++i) REQUIRE(t.execute({0xd0, 0xd8}).ok());  // rcr al, 1
  CHECK(t.state().gpr[RAX] == 0x5a);
  CHECK(t.state().flags.cf());
  REQUIRE(t.execute({0xc0, 0xd0, 0x08}).ok());  // rcl al, 8
  CHECK(t.state().gpr[RAX] == 0xad);
  CHECK_FALSE(t.state().flags.cf());
}

TEST_CASE("shift: SHLD and SHRD fill from the second operand") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RAX] = 0x1234'5678;
  t.state().gpr[RDX] = 0x9abc'def0;
  REQUIRE(t.execute({0x0f, 0xa4, 0xd0, 0x08}).ok());  // shld eax, edx, 8
  CHECK(t.state().gpr[RAX] == 0x3456'789a);
  t.state().gpr[RCX] = 4;
  REQUIRE(t.execute({0x0f, 0xad, 0xd0}).ok());  // shrd eax, edx, cl
  CHECK(t.state().gpr[RAX] == 0x0345'6789);
  CHECK(t.state().flags.cf());
}

TEST_CASE("shift: the BMI2 forms touch no flags") {
  TestCpu t;
  t.enter_long();
  t.state().flags.set(rflags::kArithmetic);
  t.state().gpr[RCX] = 0x8000'0000'0000'0000;
  t.state().gpr[RDX] = 63 + 64;
  REQUIRE(t.execute({0xc4, 0xe2, 0xea, 0xf7, 0xc1}).ok());  // sarx rax, rcx, rdx
  CHECK(t.state().gpr[RAX] == ~u64{0});
  REQUIRE(t.execute({0xc4, 0xe3, 0xfb, 0xf0, 0xc1, 0x3f}).ok());  // rorx rax, rcx, 63
  CHECK(t.state().gpr[RAX] == 1);
  CHECK(t.state().flags.get() == rflags::kArithmetic);
}
