#include <cstring>

#include <doctest/doctest.h>

#include "cpu/cpuid.h"
#include "tests/support/test_cpu.h"

namespace doppel {
namespace {

using test::faulted;
using test::TestCpu;

constexpr u64 kArea = 0x20000;

struct StateCpu : TestCpu {
  StateCpu() {
    enter_long();
    cpu::CpuState& s = state();
    s.cr4 |= cr4::OSFXSR | cr4::OSXSAVE;
    s.xcr0 = xcr0::X87 | xcr0::SSE | xcr0::AVX | xcr0::PKRU;
    s.gpr[RDI] = kArea;
    for (unsigned i = 0; i < 16; ++i) std::memset(s.ymm[i], static_cast<int>(0x10 + i), 32);
    s.x87.fcw = 0x27f;
    s.x87.fip = 0x1122'3344'5566;
    s.x87.fcs = 0x33;
    std::memset(s.x87.st[2], 0x77, 10);
  }
  void request(u32 components) {
    state().gpr[RAX] = components;
    state().gpr[RDX] = 0;
  }
  Result<void> xsave() { return execute({0x0f, 0xae, 0x27}); }
  Result<void> xsavec() { return execute({0x0f, 0xc7, 0x27}); }
  Result<void> xsaveopt() { return execute({0x0f, 0xae, 0x37}); }
  Result<void> xrstor() { return execute({0x0f, 0xae, 0x2f}); }
  u64 xstate_bv() { return peek<u64>(kArea + 512); }
};

}  // namespace

TEST_CASE("simd_state: LDMXCSR refuses reserved bits, STMXCSR stores what was loaded") {
  StateCpu t;
  t.poke<u32>(kArea, 0x1'0000);
  CHECK(faulted(t.execute({0x0f, 0xae, 0x17}), Vector::GP));
  t.poke<u32>(kArea, 0x9fc0);
  REQUIRE(t.execute({0x0f, 0xae, 0x17}).ok());
  t.poke<u32>(kArea, 0);
  REQUIRE(t.execute({0xc5, 0xf8, 0xae, 0x1f}).ok());  // vstmxcsr
  CHECK(t.peek<u32>(kArea) == 0x9fc0);
}

TEST_CASE("simd_state: FXSAVE64 and FXRSTOR64 carry x87, MXCSR and sixteen registers") {
  StateCpu t;
  REQUIRE(t.execute({0x48, 0x0f, 0xae, 0x07}).ok());
  CHECK(t.peek<u16>(kArea) == 0x27f);
  CHECK(t.peek<u64>(kArea + 8) == 0x1122'3344'5566);
  CHECK(t.peek<u32>(kArea + 28) == 0xffff);
  CHECK(t.peek<u64>(kArea + 160 + 15 * 16) == 0x1f1f'1f1f'1f1f'1f1f);
  t.poke<u64>(kArea + 160 + 15 * 16, 5);
  t.poke<u16>(kArea + 2, 0x8080);  // An error summary without an error.
  REQUIRE(t.execute({0x48, 0x0f, 0xae, 0x0f}).ok());
  u64 value;
  std::memcpy(&value, t.state().ymm[15], 8);
  CHECK(value == 5);
  std::memcpy(&value, t.state().ymm[15] + 16, 8);
  CHECK(value == 0x1f1f'1f1f'1f1f'1f1f);
  CHECK(t.state().x87.fsw == 0);
}

TEST_CASE("simd_state: FXSAVE outside 64-bit code holds selectors and eight registers") {
  StateCpu t;
  t.enter_protected();
  t.poke<u64>(kArea + 160 + 8 * 16, 0xabcd);
  REQUIRE(t.execute({0x0f, 0xae, 0x07}).ok());
  CHECK(t.peek<u32>(kArea + 8) == 0x3344'5566);
  CHECK(t.peek<u16>(kArea + 12) == 0x33);
  CHECK(t.peek<u64>(kArea + 160 + 8 * 16) == 0xabcd);
}

TEST_CASE("simd_state: FXSAVE and FXRSTOR want 16-byte alignment and a good MXCSR") {
  StateCpu t;
  t.state().gpr[RDI] = kArea + 8;
  CHECK(faulted(t.execute({0x0f, 0xae, 0x07}), Vector::GP));
  t.state().gpr[RDI] = kArea;
  REQUIRE(t.execute({0x0f, 0xae, 0x07}).ok());
  t.poke<u32>(kArea + 24, 0xdead'0000);
  t.poke<u16>(kArea, 0x37f);
  CHECK(faulted(t.execute({0x0f, 0xae, 0x0f}), Vector::GP));
  CHECK(t.state().x87.fcw == 0x27f);
}

TEST_CASE("simd_state: EMMS empties the stack") {
  StateCpu t;
  t.state().x87.ftw = 0xff;
  REQUIRE(t.execute({0x0f, 0x77}).ok());
  CHECK(t.state().x87.ftw == 0);
}

TEST_CASE("simd_state: VZEROUPPER and VZEROALL see the registers their mode has") {
  StateCpu t;
  REQUIRE(t.execute({0xc5, 0xf8, 0x77}).ok());
  CHECK(t.state().ymm[15][15] == 0x1f);
  CHECK(t.state().ymm[15][16] == 0);
  t.enter_protected();
  REQUIRE(t.execute({0xc5, 0xfc, 0x77}).ok());
  CHECK(t.state().ymm[7][0] == 0);
  CHECK(t.state().ymm[8][0] == 0x18);
}

TEST_CASE("xsave: the standard form has its components at the places CPUID names") {
  StateCpu t;
  t.state().pkru = 0x55;
  t.request(~0u);
  REQUIRE(t.xsave().ok());
  CHECK(t.xstate_bv() == 0x207);
  CHECK(t.peek<u64>(kArea + cpu::kXsaveAvxOffset + 3 * 16) == 0x1313'1313'1313'1313);
  CHECK(t.peek<u32>(kArea + cpu::kXsavePkruOffset) == 0x55);
}

TEST_CASE("xsave: bits of the header that were not asked for stay") {
  StateCpu t;
  t.poke<u64>(kArea + 512, 0x7000'0005);
  t.request(xcr0::SSE);
  REQUIRE(t.xsave().ok());
  CHECK(t.xstate_bv() == 0x7000'0007);
  CHECK(t.peek<u16>(kArea) == 0);
}

TEST_CASE("xsave: XSAVEOPT leaves components in their initial state unwritten") {
  StateCpu t;
  for (auto& ymm : t.state().ymm) std::memset(ymm + 16, 0, 16);
  t.poke<u64>(kArea + cpu::kXsaveAvxOffset, 0x1234);
  t.request(xcr0::X87 | xcr0::SSE | xcr0::AVX);
  REQUIRE(t.xsaveopt().ok());
  CHECK(t.xstate_bv() == (xcr0::X87 | xcr0::SSE));
  CHECK(t.peek<u64>(kArea + cpu::kXsaveAvxOffset) == 0x1234);
}

TEST_CASE("xsave: XSAVEC packs its components and XRSTOR unpacks them") {
  StateCpu t;
  t.state().pkru = 0xc;
  t.request(xcr0::X87 | xcr0::PKRU);
  REQUIRE(t.xsavec().ok());
  CHECK(t.xstate_bv() == (xcr0::X87 | xcr0::PKRU));
  CHECK(t.peek<u64>(kArea + 520) == (u64{1} << 63 | xcr0::X87 | xcr0::PKRU));
  CHECK(t.peek<u32>(kArea + 576) == 0xc);
  t.state().pkru = 0;
  t.state().x87.fcw = 0x37f;
  REQUIRE(t.xrstor().ok());
  CHECK(t.state().pkru == 0xc);
  CHECK(t.state().x87.fcw == 0x27f);
}

TEST_CASE("xsave: XRSTOR initialises what the area does not hold") {
  StateCpu t;
  t.poke<u64>(kArea + 512, 0);
  t.poke<u32>(kArea + 24, 0x1fbf);
  t.request(xcr0::X87 | xcr0::SSE | xcr0::AVX);
  REQUIRE(t.xrstor().ok());
  CHECK(t.state().x87.fcw == 0x37f);
  CHECK(t.state().x87.st[2][0] == 0);
  CHECK(t.state().ymm[4][0] == 0);
  CHECK(t.state().ymm[4][31] == 0);
  CHECK(t.state().x87.mxcsr == 0x1fbf);  // The standard form loads it all the same.
}

TEST_CASE("xsave: a malformed header is #GP and changes nothing") {
  StateCpu t;
  t.request(~0u);
  REQUIRE(t.xsave().ok());
  t.poke<u64>(kArea + 528, 1);  // Reserved.
  CHECK(faulted(t.xrstor(), Vector::GP));
  t.poke<u64>(kArea + 528, 0);
  t.poke<u64>(kArea + 512, 0x8);  // A component that XCR0 has not.
  CHECK(faulted(t.xrstor(), Vector::GP));
  t.poke<u64>(kArea + 512, 0x4);
  t.poke<u64>(kArea + 520, u64{1} << 63 | 0x3);  // Present but without a place.
  CHECK(faulted(t.xrstor(), Vector::GP));
  t.poke<u64>(kArea + 512, 0x2);
  t.poke<u64>(kArea + 520, 0);
  t.poke<u32>(kArea + 24, 0x8000'0000);
  CHECK(faulted(t.xrstor(), Vector::GP));
  CHECK(t.state().ymm[3][31] == 0x13);
  t.state().gpr[RDI] = kArea + 32;
  CHECK(faulted(t.xrstor(), Vector::GP));
}

TEST_CASE("xsave: CR4.OSXSAVE and CR0.TS decide") {
  StateCpu t;
  t.state().cr0 |= cr0::TS;
  CHECK(faulted(t.xsave(), Vector::NM));
  t.state().cr4 &= ~cr4::OSXSAVE;
  CHECK(faulted(t.xsave(), Vector::UD));
}

}  // namespace doppel
