#include <doctest/doctest.h>

#include "tests/support/test_cpu.h"

using namespace doppel;
using namespace doppel::test;

TEST_CASE("bit: a register index reaches bits before and after the memory operand") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RBX] = 0x5000;
  t.state().gpr[RAX] = static_cast<u64>(i64{-1});
  REQUIRE(t.execute({0x0f, 0xab, 0x03}).ok());  // bts [rbx], eax
  CHECK(t.peek<u32>(0x4ffc) == 0x8000'0000);
  CHECK_FALSE(t.state().flags.cf());
  REQUIRE(t.execute({0x0f, 0xb3, 0x03}).ok());  // btr [rbx], eax
  CHECK(t.peek<u32>(0x4ffc) == 0);
  CHECK(t.state().flags.cf());
  t.state().gpr[RAX] = 8 * 0x100 + 5;
  REQUIRE(t.execute({0x48, 0x0f, 0xbb, 0x03}).ok());  // btc [rbx], rax
  CHECK(t.peek<u8>(0x5100) == 0x20);
  // A 16-bit index is signed by its own width.
  t.state().gpr[RAX] = 0xfff0;
  REQUIRE(t.execute({0x66, 0x0f, 0xab, 0x03}).ok());
  CHECK(t.peek<u16>(0x4ffe) == 1);
}

TEST_CASE("bit: a constant index stays inside the operand, and OF survives") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RBX] = 0x5000;
  t.state().flags.set(rflags::OF | rflags::ZF);
  REQUIRE(t.execute({0x0f, 0xba, 0x2b, 0x21}).ok());  // bts dword [rbx], 33
  CHECK(t.peek<u32>(0x5000) == 2);
  REQUIRE(t.execute({0x0f, 0xba, 0x23, 0x01}).ok());  // bt dword [rbx], 1
  CHECK(t.state().flags.get() == (rflags::CF | rflags::OF | rflags::ZF));
}

TEST_CASE("bit: BSF and BSR of zero keep the destination") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RAX] = 0x1234'5678'9abc'def0;
  t.state().gpr[RCX] = 0;
  REQUIRE(t.execute({0x0f, 0xbc, 0xc1}).ok());
  CHECK(t.state().flags.zf());
  REQUIRE(t.execute({0x0f, 0xbd, 0xc1}).ok());
  CHECK(t.state().gpr[RAX] == 0x1234'5678'9abc'def0);
  t.state().gpr[RCX] = 1;
  REQUIRE(t.execute({0x0f, 0xbc, 0xc1}).ok());
  CHECK(t.state().gpr[RAX] == 0);
  CHECK_FALSE(t.state().flags.zf());
}

TEST_CASE("bit: LZCNT and TZCNT of zero count the width; older models scan instead") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RCX] = 0;
  REQUIRE(t.execute({0xf3, 0x0f, 0xbd, 0xc1}).ok());
  CHECK(t.state().gpr[RAX] == 32);
  CHECK(t.state().flags.cf());
  CHECK_FALSE(t.state().flags.zf());
  t.state().gpr[RCX] = 1;
  REQUIRE(t.execute({0xf3, 0x48, 0x0f, 0xbc, 0xc1}).ok());
  CHECK(t.state().gpr[RAX] == 0);
  CHECK(t.state().flags.zf());

  TestCpu old("pentium");
  old.enter_protected();
  old.state().gpr[RCX] = 0x10;
  REQUIRE(old.execute({0xf3, 0x0f, 0xbd, 0xc1}).ok());
  CHECK(old.state().gpr[RAX] == 4);
}

TEST_CASE("bit: POPCNT clears every flag but ZF") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RCX] = 0;
  t.state().flags.set(rflags::kArithmetic);
  REQUIRE(t.execute({0xf3, 0x0f, 0xb8, 0xc1}).ok());
  CHECK(t.state().flags.get() == rflags::ZF);
  t.state().gpr[RCX] = 0xf0f;
  REQUIRE(t.execute({0xf3, 0x0f, 0xb8, 0xc1}).ok());
  CHECK(t.state().gpr[RAX] == 8);
  CHECK(t.state().flags.get() == 0);
}

TEST_CASE("bit: BSWAP of 16 bits writes zero, MOVBE swaps them") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RAX] = 0x1122'3344'5566'7788;
  REQUIRE(t.execute({0x48, 0x0f, 0xc8}).ok());
  CHECK(t.state().gpr[RAX] == 0x8877'6655'4433'2211);
  REQUIRE(t.execute({0x66, 0x0f, 0xc8}).ok());
  CHECK(t.state().gpr[RAX] == 0x8877'6655'4433'0000);
  t.poke<u16>(0x5000, 0x1234);
  t.state().gpr[RBX] = 0x5000;
  REQUIRE(t.execute({0x66, 0x0f, 0x38, 0xf0, 0x03}).ok());
  CHECK((t.state().gpr[RAX] & 0xffff) == 0x3412);
}

TEST_CASE("bit: PEXT undoes PDEP under every mask") {
  TestCpu t;
  t.enter_long();
  for (const u64 mask : {u64{0}, u64{0xff00}, u64{0x8000'0000'0000'0001}, ~u64{0}, u64{0x1248'1248}}) {
    t.state().gpr[RCX] = 0x0123'4567'89ab'cdef;
    t.state().gpr[RDX] = mask;
    REQUIRE(t.execute({0xc4, 0xe2, 0xf3, 0xf5, 0xc2}).ok());  // pdep rax, rcx, rdx
    CHECK((t.state().gpr[RAX] & ~mask) == 0);
    REQUIRE(t.execute({0xc4, 0xe2, 0xfa, 0xf5, 0xda}).ok());  // pext rbx, rax, rdx
    const int bits = __builtin_popcountll(mask);
    const u64 kept = bits == 64 ? ~u64{0} : (u64{1} << bits) - 1;
    CHECK(t.state().gpr[RBX] == (0x0123'4567'89ab'cdef & kept));
  }
}

TEST_CASE("bit: CRC32 of the digits is the Castagnoli check value") {
  // The catalogue's check value of CRC-32C: E3069283h for "123456789".
  TestCpu t;
  t.enter_long();
  t.state().gpr[RAX] = 0xffff'ffff;
  for (const char digit : std::string_view("123456789")) {
    t.state().gpr[RCX] = static_cast<u8>(digit);
    REQUIRE(t.execute({0xf2, 0x0f, 0x38, 0xf0, 0xc1}).ok());  // crc32 eax, cl
  }
  CHECK((t.state().gpr[RAX] ^ 0xffff'ffff) == 0xe306'9283);
}
