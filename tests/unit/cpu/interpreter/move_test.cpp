#include <doctest/doctest.h>

#include "tests/support/test_cpu.h"

using namespace doppel;
using namespace doppel::test;

TEST_CASE("move: AH to BH are bytes 1 of their registers, SPL to DIL need REX") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RAX] = 0x1122;
  t.state().gpr[RSP] = 0x3344;
  REQUIRE(t.execute({0x88, 0xe0}).ok());  // mov al, ah
  CHECK(t.state().gpr[RAX] == 0x1111);
  REQUIRE(t.execute({0x40, 0x88, 0xe0}).ok());  // mov al, spl
  CHECK(t.state().gpr[RAX] == 0x1144);
}

TEST_CASE("move: an absolute 64-bit offset is an address of its own") {
  TestCpu t;
  t.enter_long();
  t.poke<u64>(0x5000, 0x1234'5678'9abc'def0);
  REQUIRE(t.execute({0x48, 0xa1, 0x00, 0x50, 0, 0, 0, 0, 0, 0}).ok());
  CHECK(t.state().gpr[RAX] == 0x1234'5678'9abc'def0);
}

TEST_CASE("move: RIP-relative addresses count from the next instruction") {
  TestCpu t;
  t.enter_long();
  t.poke<u32>(TestCpu::kCode + 6 + 0x10, 77);
  REQUIRE(t.execute({0x8b, 0x05, 0x10, 0, 0, 0}).ok());
  CHECK(t.state().gpr[RAX] == 77);
}

TEST_CASE("move: CMOV clears the upper half and reads its source even when it does not move") {
  TestCpu t;
  t.enter_long();
  t.state().flags.set(0);
  t.state().gpr[RAX] = 0xffff'ffff'0000'0005;
  t.state().gpr[RCX] = 9;
  REQUIRE(t.execute({0x0f, 0x44, 0xc1}).ok());  // cmovz eax, ecx
  CHECK(t.state().gpr[RAX] == 5);
  t.state().gpr[RBX] = 0x4000'0000;
  CHECK(faulted(t.execute({0x0f, 0x44, 0x03}), Vector::PF, 0));
}

TEST_CASE("move: the sixteen conditions agree with the flags they name") {
  TestCpu t;
  t.enter_long();
  const auto expected = [](unsigned condition, u64 f) {
    const bool cf = f & rflags::CF, zf = f & rflags::ZF, sf = f & rflags::SF;
    const bool of = f & rflags::OF, pf = f & rflags::PF;
    const bool base[8] = {of, cf, zf, cf || zf, sf, pf, sf != of, zf || sf != of};
    return base[condition >> 1] != ((condition & 1) != 0);
  };
  for (unsigned condition = 0; condition < 16; ++condition) {
    for (unsigned n = 0; n < 64; ++n) {
      const u64 flags = (n & 1 ? rflags::CF : 0) | (n & 2 ? rflags::PF : 0) |
                        (n & 4 ? rflags::AF : 0) | (n & 8 ? rflags::ZF : 0) |
                        (n & 16 ? rflags::SF : 0) | (n & 32 ? rflags::OF : 0);
      t.state().flags.set(flags);
      REQUIRE(t.execute({0x0f, static_cast<u8>(0x90 + condition), 0xc0}).ok());  // setcc al
      REQUIRE((t.state().gpr[RAX] & 1) == expected(condition, flags));
      REQUIRE(t.state().flags.get() == flags);
    }
  }
}

TEST_CASE("move: LAHF and SAHF leave OF out") {
  TestCpu t;
  t.enter_protected();
  t.state().flags.set(rflags::OF | rflags::ZF | rflags::CF);
  REQUIRE(t.execute({0x9f}).ok());
  CHECK((t.state().gpr[RAX] >> 8 & 0xff) == 0x43);
  t.state().gpr[RAX] = 0x9400;
  REQUIRE(t.execute({0x9e}).ok());
  CHECK(t.state().flags.get() == (rflags::OF | rflags::SF | rflags::AF | rflags::PF));
}

TEST_CASE("move: XLAT adds AL to BX within the address size") {
  TestCpu t;
  t.enter_v86(3);
  t.poke<u8>(0x9000 + 0x000f, 0x5a);
  t.state().gpr[RBX] = 0xffff;
  t.state().gpr[RAX] = 0x10;
  REQUIRE(t.execute({0xd7}).ok());
  CHECK(t.state().gpr[RAX] == 0x5a);
}

TEST_CASE("move: XCHG with memory that cannot be written changes nothing") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RAX] = 1;
  t.state().gpr[RBX] = 0x4000'0000;
  CHECK(faulted(t.execute({0x87, 0x03}), Vector::PF, pf::W));
  CHECK(t.state().gpr[RAX] == 1);
}

TEST_CASE("move: CLFLUSH faults as a load would, prefetches never do") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RBX] = 0x4000'0000;
  CHECK(faulted(t.execute({0x0f, 0xae, 0x3b}), Vector::PF, 0));
  CHECK(t.execute({0x0f, 0x18, 0x0b}).ok());
  CHECK(t.execute({0x0f, 0x1f, 0x03}).ok());
  CHECK(t.execute({0xf3, 0x0f, 0x1e, 0xfa}).ok());  // endbr64
}

TEST_CASE("move: RDRAND repeats its sequence from the same seed and sets CF alone") {
  TestCpu first;
  TestCpu second;
  first.enter_long();
  second.enter_long();
  first.state().flags.set(rflags::kArithmetic);
  REQUIRE(first.execute({0x48, 0x0f, 0xc7, 0xf0}).ok());
  REQUIRE(second.execute({0x48, 0x0f, 0xc7, 0xf0}).ok());
  CHECK(first.state().flags.get() == rflags::CF);
  CHECK(first.state().gpr[RAX] == second.state().gpr[RAX]);
  const u64 before = first.state().gpr[RAX];
  REQUIRE(first.execute({0x48, 0x0f, 0xc7, 0xf0}).ok());
  CHECK(first.state().gpr[RAX] != before);
}
