#include <doctest/doctest.h>

#include "tests/support/test_cpu.h"

using namespace doppel;
using namespace doppel::test;

namespace {

constexpr u64 kAll = rflags::kArithmetic;

u64 arithmetic_flags(TestCpu& t) { return t.state().rflags() & kAll; }

}  // namespace

TEST_CASE("arithmetic: ADD sets carry, overflow, adjust and zero from the operation's width") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RAX] = 0xffff'ffff'ffff'ff80;
  t.state().gpr[RCX] = 0x80;
  REQUIRE(t.execute({0x00, 0xc8}).ok());  // add al, cl
  CHECK(t.state().gpr[RAX] == 0xffff'ffff'ffff'ff00);
  CHECK(arithmetic_flags(t) == (rflags::CF | rflags::OF | rflags::ZF | rflags::PF));

  t.state().gpr[RAX] = 0x7fff'ffff'ffff'ffff;
  REQUIRE(t.execute({0x48, 0x83, 0xc0, 0x01}).ok());  // add rax, 1
  CHECK(arithmetic_flags(t) == (rflags::OF | rflags::SF | rflags::AF | rflags::PF));
}

TEST_CASE("arithmetic: a 32-bit result clears the upper half of its register") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RAX] = 0xffff'ffff'0000'0001;
  REQUIRE(t.execute({0x83, 0xc0, 0x01}).ok());  // add eax, 1
  CHECK(t.state().gpr[RAX] == 2);
}

TEST_CASE("arithmetic: ADC and SBB take part of the carry at every width") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RAX] = ~u64{0};
  t.state().gpr[RCX] = 0;
  t.state().flags.set(rflags::CF);
  REQUIRE(t.execute({0x48, 0x11, 0xc8}).ok());  // adc rax, rcx
  CHECK(t.state().gpr[RAX] == 0);
  CHECK(arithmetic_flags(t) == (rflags::CF | rflags::ZF | rflags::PF | rflags::AF));
  REQUIRE(t.execute({0x48, 0x19, 0xc8}).ok());  // sbb rax, rcx
  CHECK(t.state().gpr[RAX] == ~u64{0});
  CHECK(t.state().flags.cf());
}

TEST_CASE("arithmetic: INC and DEC leave CF as it was, whatever OF becomes") {
  TestCpu t;
  t.enter_long();
  for (const bool carry : {false, true}) {
    t.state().gpr[RAX] = 0x7fff'ffff;
    t.state().flags.set(carry ? rflags::CF : 0);
    REQUIRE(t.execute({0xff, 0xc0}).ok());  // inc eax
    CHECK(t.state().flags.cf() == carry);
    CHECK(t.state().flags.of());
    REQUIRE(t.execute({0xff, 0xc8}).ok());  // dec eax
    CHECK(t.state().flags.cf() == carry);
    CHECK(t.state().flags.of());
    CHECK(t.state().gpr[RAX] == 0x7fff'ffff);
  }
}

TEST_CASE("arithmetic: XADD of a register with itself ends with the sum") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RAX] = 3;
  REQUIRE(t.execute({0x48, 0x0f, 0xc1, 0xc0}).ok());
  CHECK(t.state().gpr[RAX] == 6);
}

TEST_CASE("arithmetic: CMPXCHG stores on equality and loads the accumulator otherwise") {
  TestCpu t;
  t.enter_long();
  t.poke<u32>(0x5000, 7);
  t.state().gpr[RBX] = 0x5000;
  t.state().gpr[RCX] = 9;
  t.state().gpr[RAX] = 0x1'0000'0007;
  REQUIRE(t.execute({0x0f, 0xb1, 0x0b}).ok());  // cmpxchg [rbx], ecx
  CHECK(t.peek<u32>(0x5000) == 9);
  CHECK(t.state().flags.zf());
  CHECK(t.state().gpr[RAX] == 0x1'0000'0007);
  REQUIRE(t.execute({0x0f, 0xb1, 0x0b}).ok());
  CHECK_FALSE(t.state().flags.zf());
  CHECK(t.state().gpr[RAX] == 9);
}

TEST_CASE("arithmetic: CMPXCHG16B wants 16-byte alignment and changes ZF alone") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RSI] = 0x5008;
  CHECK(faulted(t.execute({0x48, 0x0f, 0xc7, 0x0e}), Vector::GP));
  t.state().gpr[RSI] = 0x5010;
  t.poke<u64>(0x5010, 1);
  t.poke<u64>(0x5018, 2);
  t.state().gpr[RAX] = 1;
  t.state().gpr[RDX] = 2;
  t.state().gpr[RBX] = 3;
  t.state().gpr[RCX] = 4;
  t.state().flags.set(kAll & ~rflags::ZF);
  REQUIRE(t.execute({0x48, 0x0f, 0xc7, 0x0e}).ok());
  CHECK(t.peek<u64>(0x5010) == 3);
  CHECK(t.peek<u64>(0x5018) == 4);
  CHECK(arithmetic_flags(t) == kAll);
}

TEST_CASE("arithmetic: ADCX and ADOX keep their carries apart") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RAX] = ~u64{0};
  t.state().gpr[RCX] = 1;
  t.state().flags.set(rflags::ZF);
  REQUIRE(t.execute({0x66, 0x48, 0x0f, 0x38, 0xf6, 0xc1}).ok());  // adcx rax, rcx
  CHECK(t.state().gpr[RAX] == 0);
  CHECK(arithmetic_flags(t) == (rflags::CF | rflags::ZF));
  REQUIRE(t.execute({0xf3, 0x48, 0x0f, 0x38, 0xf6, 0xc1}).ok());  // adox rax, rcx
  CHECK(t.state().gpr[RAX] == 1);
  CHECK(arithmetic_flags(t) == (rflags::CF | rflags::ZF));
}

TEST_CASE("arithmetic: a destination that cannot be written leaves flags and memory alone") {
  TestCpu t;
  t.enter_protected();
  t.state().segment(Seg::DS) = TestCpu::segment(TestCpu::kData32, 0, 0xffff'ffff, 0xc91);
  t.cpu.update_mode();
  t.poke<u32>(0x5000, 1);
  t.state().gpr[RBX] = 0x5000;
  t.state().flags.set(rflags::CF);
  CHECK(faulted(t.execute({0x83, 0x03, 0xff}), Vector::GP));  // add dword [ebx], -1
  CHECK(t.peek<u32>(0x5000) == 1);
  CHECK(arithmetic_flags(t) == rflags::CF);
  CHECK(t.execute({0x83, 0x3b, 0x01}).ok());  // cmp dword [ebx], 1: reading is allowed
  CHECK(t.state().flags.zf());
}
