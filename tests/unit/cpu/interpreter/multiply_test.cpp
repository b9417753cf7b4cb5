#include <doctest/doctest.h>

#include "tests/support/test_cpu.h"

using namespace doppel;
using namespace doppel::test;

TEST_CASE("multiply: the upper half of a product decides CF and OF") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RAX] = 0x1'0000'0000;
  t.state().gpr[RCX] = 0x1'0000'0000;
  REQUIRE(t.execute({0x48, 0xf7, 0xe1}).ok());  // mul rcx
  CHECK(t.state().gpr[RAX] == 0);
  CHECK(t.state().gpr[RDX] == 1);
  CHECK(t.state().flags.cf());
  CHECK(t.state().flags.of());
  t.state().gpr[RAX] = static_cast<u64>(-3);
  t.state().gpr[RCX] = 5;
  REQUIRE(t.execute({0x48, 0xf7, 0xe9}).ok());  // imul rcx
  CHECK(t.state().gpr[RAX] == static_cast<u64>(-15));
  CHECK(t.state().gpr[RDX] == ~u64{0});
  CHECK_FALSE(t.state().flags.cf());
  CHECK_FALSE(t.state().flags.of());
}

TEST_CASE("multiply: byte products and quotients live in AX") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RAX] = 0xdead'0010;
  t.state().gpr[RCX] = 0x20;
  REQUIRE(t.execute({0xf6, 0xe1}).ok());  // mul cl
  CHECK(t.state().gpr[RAX] == 0xdead'0200);
  t.state().gpr[RCX] = 0x1f;
  REQUIRE(t.execute({0xf6, 0xf1}).ok());  // div cl
  CHECK(t.state().gpr[RAX] == 0xdead'1010);  // 512 = 16 * 31 + 16
}

TEST_CASE("multiply: division faults on zero and on a quotient that does not fit") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RAX] = 5;
  t.state().gpr[RDX] = 0;
  t.state().gpr[RCX] = 0;
  CHECK(faulted(t.execute({0xf7, 0xf1}), Vector::DE));
  CHECK(faulted(t.execute({0xf7, 0xf9}), Vector::DE));
  t.state().gpr[RCX] = 4;
  t.state().gpr[RDX] = 4;
  CHECK(faulted(t.execute({0xf7, 0xf1}), Vector::DE));  // div ecx
  CHECK(t.state().gpr[RAX] == 5);
  CHECK(t.state().gpr[RDX] == 4);
}

TEST_CASE("multiply: IDIV reaches the most negative quotient and not beyond it") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RAX] = 0x8000'0000'0000'0000;
  t.state().gpr[RDX] = ~u64{0};
  t.state().gpr[RCX] = 1;
  REQUIRE(t.execute({0x48, 0xf7, 0xf9}).ok());
  CHECK(t.state().gpr[RAX] == 0x8000'0000'0000'0000);
  CHECK(t.state().gpr[RDX] == 0);
  t.state().gpr[RDX] = ~u64{0};
  t.state().gpr[RCX] = ~u64{0};
  CHECK(faulted(t.execute({0x48, 0xf7, 0xf9}), Vector::DE));
  t.state().gpr[RAX] = static_cast<u64>(-7);
  t.state().gpr[RCX] = 2;
  REQUIRE(t.execute({0x48, 0xf7, 0xf9}).ok());
  CHECK(t.state().gpr[RAX] == static_cast<u64>(-3));
  CHECK(t.state().gpr[RDX] == static_cast<u64>(-1));
}

TEST_CASE("multiply: MULX into one register keeps the upper half") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RDX] = 1u << 31;
  t.state().gpr[RCX] = 6;
  t.state().flags.set(rflags::kArithmetic);
  REQUIRE(t.execute({0xc4, 0xe2, 0x7b, 0xf6, 0xc1}).ok());  // mulx eax, eax, ecx
  CHECK(t.state().gpr[RAX] == 3);
  CHECK(t.state().flags.get() == rflags::kArithmetic);
}

TEST_CASE("multiply: DAA and DAS correct every packed sum and difference") {
  TestCpu t;
  t.enter_protected();
  for (unsigned a = 0; a < 100; ++a) {
    for (unsigned b = 0; b < 100; ++b) {
      const u8 packed_a = static_cast<u8>(a / 10 << 4 | a % 10);
      const u8 packed_b = static_cast<u8>(b / 10 << 4 | b % 10);
      t.state().gpr[RAX] = packed_a;
      t.state().gpr[RCX] = packed_b;
      REQUIRE(t.execute({0x00, 0xc8}).ok());  // add al, cl
      REQUIRE(t.execute({0x27}).ok());        // daa
      const unsigned sum = (a + b) % 100;
      REQUIRE(t.state().gpr[RAX] == (sum / 10 << 4 | sum % 10));
      REQUIRE(t.state().flags.cf() == (a + b > 99));
      t.state().gpr[RAX] = packed_a;
      REQUIRE(t.execute({0x28, 0xc8}).ok());  // sub al, cl
      REQUIRE(t.execute({0x2f}).ok());        // das
      const unsigned difference = (a + 100 - b) % 100;
      REQUIRE(t.state().gpr[RAX] == (difference / 10 << 4 | difference % 10));
      REQUIRE(t.state().flags.cf() == (a < b));
    }
  }
}

TEST_CASE("multiply: AAA and AAS carry between AL and AH") {
  TestCpu t;
  t.enter_protected();
  t.state().gpr[RAX] = 0x010f;
  t.state().flags.set(0);
  REQUIRE(t.execute({0x37}).ok());  // aaa
  CHECK(t.state().gpr[RAX] == 0x0205);
  CHECK(t.state().flags.cf());
  CHECK(t.state().flags.af());
  t.state().gpr[RAX] = 0x0103;
  t.state().flags.set(rflags::AF);
  REQUIRE(t.execute({0x3f}).ok());  // aas
  CHECK(t.state().gpr[RAX] == 0xff0d);
  CHECK(t.state().flags.cf());
}

TEST_CASE("multiply: AAM by zero is #DE, AAD by any base is not") {
  TestCpu t;
  t.enter_protected();
  t.state().gpr[RAX] = 0x003f;
  CHECK(faulted(t.execute({0xd4, 0x00}), Vector::DE));
  REQUIRE(t.execute({0xd4, 0x0a}).ok());
  CHECK(t.state().gpr[RAX] == 0x0603);
  REQUIRE(t.execute({0xd5, 0x0a}).ok());
  CHECK(t.state().gpr[RAX] == 0x3f);
  REQUIRE(t.execute({0xd5, 0x00}).ok());
  CHECK(t.state().gpr[RAX] == 0x3f);
}
