#include <bit>
#include <cstring>

#include <doctest/doctest.h>

#include "tests/support/test_cpu.h"

namespace doppel {
namespace {

using test::faulted;
using test::TestCpu;

constexpr u64 kData = 0x20000;
constexpr u16 kIe = 1, kZe = 4, kPe = 0x20, kStackFault = 0x40, kEs = 0x80, kC1 = 0x200;
constexpr u16 kBusy = 0x8000;

/// 32-bit protected mode with an initialised x87 unit; EDI points to data.
struct X87Cpu : TestCpu {
  X87Cpu() {
    enter_protected();
    state().gpr[RDI] = kData;
    REQUIRE(execute({0xdb, 0xe3}).ok());  // fninit
  }
  cpu::X87State& x87() { return state().x87; }
  unsigned top() { return x87().fsw >> 11 & 7; }
  long double st(unsigned i) {
    long double value = 0;
    std::memcpy(&value, x87().st[i], 10);
    return value;
  }
  void push(double value) {
    poke<u64>(kData, std::bit_cast<u64>(value));
    REQUIRE(execute({0xdd, 0x07}).ok());  // fld qword [edi]
  }
  void unmask(u16 exceptions) {
    poke<u16>(kData, static_cast<u16>(0x37f & ~exceptions));
    REQUIRE(execute({0xd9, 0x2f}).ok());  // fldcw [edi]
  }
};

}  // namespace

TEST_CASE("x87: pushes and pops move TOP, tags stay with their registers") {
  X87Cpu t;
  t.push(1.0);
  t.push(2.0);
  CHECK(t.top() == 6);
  CHECK(t.x87().ftw == 0xc0);
  CHECK(t.st(0) == 2.0L);
  CHECK(t.st(1) == 1.0L);
  REQUIRE(t.execute({0xde, 0xc1}).ok());  // faddp st1, st0
  CHECK(t.st(0) == 3.0L);
  CHECK(t.top() == 7);
  CHECK(t.x87().ftw == 0x80);
}

TEST_CASE("x87: results have all 80 bits, rounded as the control word says") {
  X87Cpu t;
  t.push(1.0);
  t.push(3.0);
  REQUIRE(t.execute({0xde, 0xf9}).ok());  // fdivp st1, st0
  CHECK(t.st(0) == 1.0L / 3.0L);
  CHECK((t.x87().fsw & kPe) != 0);
  t.unmask(0x300);  // Precision control: single.
  t.push(1.0);
  t.push(3.0);
  REQUIRE(t.execute({0xde, 0xf9}).ok());
  CHECK(t.st(0) == static_cast<long double>(1.0f / 3.0f));
}

TEST_CASE("x87: an empty source and a full stack are masked stack faults") {
  X87Cpu t;
  REQUIRE(t.execute({0xd9, 0xfa}).ok());  // fsqrt of an empty register
  CHECK((t.x87().fsw & (kIe | kStackFault | kC1)) == (kIe | kStackFault));
  REQUIRE(t.execute({0xdb, 0xe3}).ok());
  for (int i = 0; i < 8; ++i) t.push(i);
  t.push(8);
  CHECK((t.x87().fsw & (kIe | kStackFault | kC1)) == (kIe | kStackFault | kC1));
  CHECK(t.x87().ftw == 0xff);
}

TEST_CASE("x87: an unmasked error waits for the next waiting instruction") {
  X87Cpu t;
  t.unmask(kZe);
  t.push(1.0);
  t.push(0.0);
  REQUIRE(t.execute({0xd8, 0xf9}).ok());  // fdivr st0, st1 = 1 / 0
  CHECK((t.x87().fsw & (kZe | kEs | kBusy)) == (kZe | kEs | kBusy));
  CHECK(t.st(0) == 0.0L);                               // The operands are kept for the handler.
  CHECK(faulted(t.execute({0xd9, 0xe8}), Vector::MF));  // fld1
  CHECK(faulted(t.execute({0x9b}), Vector::MF));        // fwait
  CHECK(faulted(t.execute({0x0f, 0x77}), Vector::MF));  // emms
  CHECK(t.execute({0xdf, 0xe0}).ok());                  // fnstsw ax does not wait
  CHECK((t.state().gpr[RAX] & kZe) != 0);
  CHECK(t.execute({0xdb, 0xe2}).ok());  // fnclex
  CHECK(t.execute({0xd9, 0xe8}).ok());
  volatile long double one = 1.0L;  // The host's unit is in order.
  CHECK(one + one == 2.0L);
}

TEST_CASE("x87: without CR0.NE an error raises FERR# as it arises and drops it when cleared") {
  X87Cpu t;
  t.state().cr0 &= ~cr0::NE;
  t.unmask(kZe);
  t.push(0.0);
  t.push(1.0);
  REQUIRE(t.execute({0xd8, 0xf1}).ok());  // fdiv st0, st1
  CHECK(t.environment.ferr);
  CHECK(t.execute({0xd9, 0xe8}).ok());  // Goes on, as with IGNNE#.
  CHECK(t.execute({0xdb, 0xe2}).ok());
  CHECK_FALSE(t.environment.ferr);
}

TEST_CASE("x87: unmasking an old error by FLDCW makes it pending") {
  X87Cpu t;
  t.push(0.0);
  t.push(1.0);
  REQUIRE(t.execute({0xd8, 0xf1}).ok());
  CHECK((t.x87().fsw & (kZe | kEs)) == kZe);
  t.unmask(kZe);
  CHECK((t.x87().fsw & (kEs | kBusy)) == (kEs | kBusy));
}

TEST_CASE("x87: an unmasked invalid store writes nothing and pops nothing") {
  X87Cpu t;
  t.push(1e300);
  t.unmask(kIe);
  t.poke<u32>(kData, 0x1234'5678);
  REQUIRE(t.execute({0xdb, 0x1f}).ok());  // fistp dword [edi]
  CHECK(t.peek<u32>(kData) == 0x1234'5678);
  CHECK(t.top() == 7);
  CHECK((t.x87().fsw & kEs) != 0);
}

TEST_CASE("x87: a store that faults changes nothing") {
  X87Cpu t;
  t.push(1.0 / 3);
  t.state().segment(Seg::DS) = TestCpu::segment(0x10, 0, kData + 1, 0xc93);
  t.cpu.update_mode();
  const u16 before = t.x87().fsw;
  CHECK(faulted(t.execute({0xd9, 0x1f}), Vector::GP));  // fstp dword [edi]
  CHECK(t.x87().fsw == before);
  CHECK(t.top() == 7);
}

TEST_CASE("x87: integers and packed decimals travel through memory") {
  X87Cpu t;
  t.poke<u16>(kData, 0xfffe);
  REQUIRE(t.execute({0xdf, 0x07}).ok());  // fild word
  CHECK(t.st(0) == -2.0L);
  t.push(2.75);
  REQUIRE(t.execute({0xdd, 0x0f}).ok());  // fisttp qword
  CHECK(t.peek<u64>(kData) == 2);
  t.push(-1234567.0);
  REQUIRE(t.execute({0xdf, 0x37}).ok());  // fbstp
  CHECK(t.peek<u32>(kData) == 0x0123'4567);
  CHECK(t.peek<u16>(kData + 8) == 0x8000);
  REQUIRE(t.execute({0xdf, 0x27}).ok());  // fbld
  CHECK(t.st(0) == -1234567.0L);
  REQUIRE(t.execute({0xdb, 0x3f}).ok());  // fstp tbyte
  CHECK(t.peek<u16>(kData + 8) == 0xc013);
}

TEST_CASE("x87: FCOMI sets ZF, PF and CF; FCMOVcc obeys them") {
  X87Cpu t;
  t.push(2.0);
  t.push(1.0);
  t.state().flags.set(rflags::kArithmetic);
  REQUIRE(t.execute({0xdb, 0xf1}).ok());  // fcomi st0, st1
  CHECK(t.state().flags.get() == rflags::CF);
  REQUIRE(t.execute({0xdb, 0xc1}).ok());  // fcmovnb: not taken
  CHECK(t.st(0) == 1.0L);
  REQUIRE(t.execute({0xda, 0xc1}).ok());  // fcmovb
  CHECK(t.st(0) == 2.0L);
}

TEST_CASE("x87: CR0 decides between #NM and execution") {
  X87Cpu t;
  t.state().cr0 |= cr0::EM;
  CHECK(faulted(t.execute({0xd9, 0xe8}), Vector::NM));
  CHECK(t.execute({0x9b}).ok());
  t.state().cr0 = (t.state().cr0 & ~cr0::EM) | cr0::TS;
  CHECK(faulted(t.execute({0xdb, 0xe3}), Vector::NM));
  CHECK(t.execute({0x9b}).ok());
  t.state().cr0 |= cr0::MP;
  CHECK(faulted(t.execute({0x9b}), Vector::NM));
}

TEST_CASE("x87: the environment names the last instruction and its operand") {
  X87Cpu t;
  t.state().rip() = 0x10010;
  t.push(1.0);
  REQUIRE(t.execute({0xd9, 0x77, 0x40}).ok());  // fnstenv [edi + 64]
  CHECK(t.peek<u32>(kData + 64) == 0xffff'037f);
  CHECK(t.peek<u32>(kData + 72) == 0xffff'3fff);  // Physical register 7 valid.
  CHECK(t.peek<u32>(kData + 76) == 0x10010);
  CHECK(t.peek<u32>(kData + 80) == (u32{0x507} << 16 | TestCpu::kCode32));
  CHECK(t.peek<u32>(kData + 84) == kData);
  CHECK(t.peek<u32>(kData + 88) == (0xffff'0000 | TestCpu::kData32));
}

TEST_CASE("x87: the 16-bit environment of virtual-8086 mode holds linear addresses") {
  X87Cpu t;
  t.push(1.0);
  t.enter_v86(3);
  t.state().segment(Seg::DS) = TestCpu::segment(0x2000, 0x20000, 0xffff, 0x0f3);
  t.cpu.update_mode();
  t.state().gpr[RDI] = 0x10;
  REQUIRE(t.execute({0xdd, 0x05}).ok());  // fld qword [di]
  REQUIRE(t.execute({0xd9, 0x35}).ok());  // fnstenv [di]
  CHECK(t.peek<u16>(kData + 0x16) == 0x0000);
  CHECK(t.peek<u16>(kData + 0x18) == (0x1000 | 0x505));
  CHECK(t.peek<u16>(kData + 0x1a) == 0x0010);
  CHECK(t.peek<u16>(kData + 0x1c) == 0x2000);
}

TEST_CASE("x87: FNSAVE and FRSTOR carry the whole unit, TOP included") {
  X87Cpu t;
  t.push(1.0);
  t.push(2.0);
  t.push(3.0);
  const u16 status = t.x87().fsw;
  REQUIRE(t.execute({0xdd, 0x77, 0x40}).ok());  // fnsave [edi + 64]
  CHECK(t.x87().fsw == 0);
  CHECK(t.x87().ftw == 0);
  t.push(9.0);
  REQUIRE(t.execute({0xdd, 0x67, 0x40}).ok());  // frstor
  CHECK(t.x87().fsw == status);
  CHECK(t.x87().ftw == 0xe0);
  CHECK(t.st(0) == 3.0L);
  CHECK(t.st(2) == 1.0L);
}

TEST_CASE("x87: FLDENV that moves TOP leaves registers in their physical places") {
  X87Cpu t;
  t.push(1.0);
  t.push(2.0);
  REQUIRE(t.execute({0xd9, 0x77, 0x40}).ok());  // fnstenv [edi + 64]
  t.poke<u16>(kData + 68, 7u << 11);
  REQUIRE(t.execute({0xd9, 0x67, 0x40}).ok());  // fldenv
  CHECK(t.st(0) == 1.0L);
  CHECK(t.st(7) == 2.0L);
}

TEST_CASE("x87: an unmasked underflow is exact on the long way too") {
  X87Cpu t;
  t.unmask(0x10);
  t.push(1e-300);
  for (int i = 0; i < 5; ++i) REQUIRE(t.execute({0xd8, 0xc8}).ok());  // fmul st0, st0
  CHECK((t.x87().fsw & 0x10) != 0);
  CHECK(faulted(t.execute({0x9b}), Vector::MF));
}

}  // namespace doppel
