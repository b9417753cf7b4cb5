#include <doctest/doctest.h>

#include "tests/support/test_cpu.h"

using namespace doppel;
using namespace doppel::test;

namespace {

/// Runs the instruction until it is past itself, as an engine would; counts the calls.
unsigned finish(TestCpu& t, std::initializer_list<u8> bytes) {
  const u64 start = t.state().rip();
  unsigned turns = 0;
  do {
    REQUIRE(t.execute(bytes).ok());
    ++turns;
  } while (t.state().rip() == start);
  t.state().rip() = start;
  return turns;
}

}  // namespace

TEST_CASE("string: REP MOVS copies across pages and updates all three registers") {
  TestCpu t;
  t.enter_long();
  for (u64 i = 0; i < 0x3000; ++i) t.poke<u8>(0x20'0000 + i, static_cast<u8>(i * 7));
  t.state().gpr[RSI] = 0x20'0003;
  t.state().gpr[RDI] = 0x30'0ff9;
  t.state().gpr[RCX] = 0x2345;
  CHECK(finish(t, {0xf3, 0xa4}) == 3);
  for (u64 i = 0; i < 0x2345; ++i) {
    REQUIRE(t.peek<u8>(0x30'0ff9 + i) == static_cast<u8>((i + 3) * 7));
  }
  CHECK(t.peek<u8>(0x30'0ff9 + 0x2345) == 0);
  CHECK(t.state().gpr[RCX] == 0);
  CHECK(t.state().gpr[RSI] == 0x20'0003 + 0x2345);
  CHECK(t.state().gpr[RDI] == 0x30'0ff9 + 0x2345);
}

TEST_CASE("string: an unfinished turn leaves RIP at the instruction and asks for attention") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RDI] = 0x20'0000;
  t.state().gpr[RCX] = 0x1000;
  t.cpu.attention = false;
  REQUIRE(t.execute({0xf3, 0x48, 0xab}).ok());
  CHECK(t.state().rip() == TestCpu::kCode);
  CHECK(t.cpu.attention);
  CHECK(t.state().gpr[RCX] == 0x1000 - 512);
}

TEST_CASE("string: a forward copy onto its own output repeats the pattern") {
  TestCpu t;
  t.enter_long();
  t.put(0x20'0000, {1, 2, 3});
  t.state().gpr[RSI] = 0x20'0000;
  t.state().gpr[RDI] = 0x20'0003;
  t.state().gpr[RCX] = 300;
  finish(t, {0xf3, 0xa4});
  for (u64 i = 0; i < 303; ++i) REQUIRE(t.peek<u8>(0x20'0000 + i) == i % 3 + 1);
  // Elements overlap too: each dword is read after the one before was written.
  t.poke<u64>(0x20'1000, 0x0807'0605'0403'0201);
  t.state().gpr[RSI] = 0x20'1000;
  t.state().gpr[RDI] = 0x20'1002;
  t.state().gpr[RCX] = 2;
  finish(t, {0xf3, 0xa5});
  CHECK(t.peek<u64>(0x20'1000) == 0x0403'0403'0201'0201);
  CHECK(t.peek<u16>(0x20'1008) == 0x0807);
}

TEST_CASE("string: DF runs backwards") {
  TestCpu t;
  t.enter_long();
  for (u64 i = 0; i < 64; ++i) t.poke<u8>(0x20'0000 + i, static_cast<u8>(i));
  t.state().system_flags |= rflags::DF;
  t.state().gpr[RSI] = 0x20'0000 + 63;
  t.state().gpr[RDI] = 0x20'0008 + 63;
  t.state().gpr[RCX] = 64;
  finish(t, {0xf3, 0xa4});
  for (u64 i = 0; i < 64; ++i) REQUIRE(t.peek<u8>(0x20'0008 + i) == i);
  CHECK(t.state().gpr[RSI] == 0x1f'ffff);
}

TEST_CASE("string: a fault keeps the progress and the instruction") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RAX] = 0x5a;
  t.state().gpr[RDI] = 0x40'0000 - 5;  // Five bytes before the end of what is mapped.
  t.state().gpr[RCX] = 20;
  const Result<void> result = t.execute({0xf3, 0xaa});
  CHECK(faulted(result, Vector::PF, pf::W));
  CHECK(result.error().address == 0x40'0000);
  CHECK(t.state().rip() == TestCpu::kCode);
  CHECK(t.state().gpr[RCX] == 15);
  CHECK(t.state().gpr[RDI] == 0x40'0000);
  CHECK(t.peek<u8>(0x3f'ffff) == 0x5a);
}

TEST_CASE("string: REPE CMPS and REPNE SCAS stop after the element that decides") {
  TestCpu t;
  t.enter_long();
  t.put(0x20'0000, {'d', 'o', 'p', 'p', 'e', 'l', 0});
  t.put(0x20'0100, {'d', 'o', 'p', 'p', 'l', 'e', 0});
  t.state().gpr[RSI] = 0x20'0000;
  t.state().gpr[RDI] = 0x20'0100;
  t.state().gpr[RCX] = 7;
  REQUIRE(t.execute({0xf3, 0xa6}).ok());
  CHECK(t.state().gpr[RCX] == 2);
  CHECK(t.state().gpr[RSI] == 0x20'0005);
  CHECK(t.state().flags.cf());  // 'e' is below 'l'.
  CHECK(t.state().rip() == TestCpu::kCode + 2);
  t.state().gpr[RDI] = 0x20'0000;
  t.state().gpr[RCX] = ~u64{0};
  t.state().gpr[RAX] = 0;
  REQUIRE(t.execute({0xf2, 0xae}).ok());
  CHECK(~t.state().gpr[RCX] == 7);
  CHECK(t.state().flags.zf());
}

TEST_CASE("string: a count of zero touches neither memory nor flags") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RSI] = t.state().gpr[RDI] = 0x4000'0000;
  t.state().gpr[RCX] = 0;
  t.state().flags.set(rflags::kArithmetic);
  CHECK(t.execute({0xf3, 0xa6}).ok());
  CHECK(t.execute({0xf3, 0xa4}).ok());
  CHECK(t.state().flags.get() == rflags::kArithmetic);
}

TEST_CASE("string: 16-bit indexes wrap within 64 KiB and keep what is above them") {
  TestCpu t;
  t.enter_v86(3);
  t.state().gpr[RDI] = 0xabcd'fffe;
  t.state().gpr[RCX] = 0x1234'0004;
  t.state().gpr[RAX] = 0x77;
  finish(t, {0xf3, 0xaa});
  CHECK(t.state().gpr[RDI] == 0xabcd'0002);
  CHECK(t.state().gpr[RCX] == 0x1234'0000);
  CHECK(t.peek<u8>(0x9000 + 0xffff) == 0x77);
  CHECK(t.peek<u8>(0x9000 + 1) == 0x77);
  CHECK(t.peek<u8>(0x9000 + 0x1'0000) == 0);
}

TEST_CASE("string: a segment prefix moves the source, never the destination") {
  TestCpu t;
  t.enter_protected();
  t.state().segment(Seg::FS) = TestCpu::segment(TestCpu::kData32, 0x10'0000, 0xffff, 0x493);
  t.cpu.update_mode();
  t.poke<u8>(0x10'0010, 0x42);
  t.state().gpr[RSI] = 0x10;
  t.state().gpr[RDI] = 0x5000;
  REQUIRE(t.execute({0x64, 0xa4}).ok());
  CHECK(t.peek<u8>(0x5000) == 0x42);
}

TEST_CASE("string: INS asks for the destination before it touches the port") {
  TestCpu t;
  t.enter_long();
  t.environment.ports[0x1f0] = 0xbeef;
  t.state().gpr[RDX] = 0x1f0;
  t.state().gpr[RDI] = 0x5000;
  t.state().gpr[RCX] = 3;
  finish(t, {0x66, 0xf3, 0x6d});
  CHECK(t.peek<u16>(0x5004) == 0xbeef);
  CHECK(t.cpu.attention);
  t.state().gpr[RDI] = 0x4000'0000;
  CHECK(faulted(t.execute({0x6d}), Vector::PF, pf::W));
}

TEST_CASE("string: OUTS is refused without I/O privilege") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RDX] = 0x80;
  t.state().gpr[RSI] = 0x5000;
  t.poke<u32>(0x5000, 0x1122'3344);
  REQUIRE(t.execute({0x6f}).ok());
  REQUIRE(t.environment.written.size() == 1);
  CHECK(t.environment.written[0].value == 0x1122'3344);
  t.enter_long(3);
  t.poke<u16>(TestCpu::kTss + 0x66, 0xffff);  // No permission bitmap.
  CHECK(faulted(t.execute({0x6f}), Vector::GP));
  CHECK(t.environment.written.size() == 1);
}
