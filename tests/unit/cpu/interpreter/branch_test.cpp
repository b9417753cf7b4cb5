#include <doctest/doctest.h>

#include "tests/support/test_cpu.h"

using namespace doppel;
using namespace doppel::test;

TEST_CASE("branch: a 16-bit operand size truncates the target") {
  TestCpu t;
  t.enter_protected();
  t.state().rip() = 0x1'0000;
  REQUIRE(t.execute({0x66, 0xeb, 0x10}).ok());
  CHECK(t.state().rip() == 0x13);
  t.enter_v86(3);
  t.state().rip() = 0xfff0;
  REQUIRE(t.execute({0xeb, 0x20}).ok());
  CHECK(t.state().rip() == 0x12);
}

TEST_CASE("branch: a target beyond the limit faults before anything is pushed") {
  TestCpu t;
  t.enter_protected();
  t.state().segment(Seg::CS) = TestCpu::segment(TestCpu::kCode32, 0, 0x1'ffff, 0x49b);
  t.cpu.update_mode();
  t.poke<u32>(0x8ffc, 0x55);
  CHECK(faulted(t.execute({0xe8, 0x00, 0x00, 0x02, 0x00}), Vector::GP));
  CHECK(t.state().gpr[RSP] == 0x9000);
  CHECK(t.peek<u32>(0x8ffc) == 0x55);
  CHECK(t.state().rip() == TestCpu::kCode);
}

TEST_CASE("branch: 64-bit targets must be canonical, and RET then keeps its pointer") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RAX] = 0x0000'8000'0000'0000;
  CHECK(faulted(t.execute({0xff, 0xe0}), Vector::GP));
  t.poke<u64>(0x9000, 0x0000'8000'0000'0000);
  CHECK(faulted(t.execute({0xc3}), Vector::GP));
  CHECK(t.state().gpr[RSP] == 0x9000);
  t.state().gpr[RAX] = 0xffff'8000'0000'0000;
  REQUIRE(t.execute({0xff, 0xe0}).ok());
  CHECK(t.state().rip() == 0xffff'8000'0000'0000);
}

TEST_CASE("branch: CALL and RET with an immediate meet again") {
  TestCpu t;
  t.enter_long();
  REQUIRE(t.execute({0xe8, 0x00, 0x01, 0x00, 0x00}).ok());
  CHECK(t.state().rip() == TestCpu::kCode + 5 + 0x100);
  CHECK(t.peek<u64>(0x8ff8) == TestCpu::kCode + 5);
  REQUIRE(t.execute({0xc2, 0x10, 0x00}).ok());
  CHECK(t.state().rip() == TestCpu::kCode + 5);
  CHECK(t.state().gpr[RSP] == 0x9010);
  const auto taken = t.cpu.last_branches();
  REQUIRE(taken.size() >= 2);
  CHECK(taken.back().to == TestCpu::kCode + 5);
}

TEST_CASE("branch: a CALL whose push faults has not happened") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RSP] = 0x4000'0000;
  CHECK(faulted(t.execute({0xe8, 0, 0, 0, 0}), Vector::PF, pf::W));
  CHECK(t.state().rip() == TestCpu::kCode);
  CHECK(t.state().gpr[RSP] == 0x4000'0000);
}

TEST_CASE("branch: LOOP counts in the address size and JCXZ looks at it") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RCX] = 0x1'0000'0001;
  REQUIRE(t.execute({0x67, 0xe2, 0xfe}).ok());  // loop with ECX
  CHECK(t.state().gpr[RCX] == 0);
  CHECK(t.state().rip() == TestCpu::kCode + 3);
  t.state().gpr[RCX] = 0x1'0000'0000;
  REQUIRE(t.execute({0xe3, 0x10}).ok());  // jrcxz
  CHECK(t.state().rip() == TestCpu::kCode + 5);
  REQUIRE(t.execute({0x67, 0xe3, 0x10}).ok());  // jecxz
  CHECK(t.state().rip() == TestCpu::kCode + 8 + 0x10);
}

TEST_CASE("branch: LOOPNE ends on ZF and still counts") {
  TestCpu t;
  t.enter_protected();
  t.state().gpr[RCX] = 5;
  t.state().flags.set(rflags::ZF);
  REQUIRE(t.execute({0xe0, 0xfe}).ok());
  CHECK(t.state().rip() == TestCpu::kCode + 2);
  CHECK(t.state().gpr[RCX] == 4);
  REQUIRE(t.execute({0xe1, 0xfe}).ok());  // loope
  CHECK(t.state().rip() == TestCpu::kCode + 2);
  CHECK(t.state().gpr[RCX] == 3);
}
