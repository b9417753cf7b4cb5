#include "cpu/interpreter/host_thunk.h"

#include <cmath>
#include <cstring>
#include <limits>

#include <doctest/doctest.h>

#include "cpu/interpreter/thunk_arena.h"
#include "tests/support/test_cpu.h"

namespace doppel {
namespace {

using test::faulted;
using test::TestCpu;

constexpr u64 kData = 0x20000;
constexpr u32 kInvalid = 1u << 0, kDivideByZero = 1u << 2, kPrecision = 1u << 5;
constexpr u32 kUnmaskInvalid = 0x1f80 & ~(1u << 7);
constexpr u32 kUnmaskDivide = 0x1f80 & ~(1u << 9);

/// In 64-bit code, with every unit switched on; RDI points to data.
struct SimdCpu : TestCpu {
  SimdCpu() {
    // doctest installs handlers of its own for each test case.
    cpu::ThunkArena::shared().catch_traps();
    enter_long();
    cpu::CpuState& s = state();
    s.cr4 |= cr4::OSFXSR | cr4::OSXSAVE | cr4::OSXMMEXCPT;
    s.xcr0 = xcr0::X87 | xcr0::SSE | xcr0::AVX;
    s.gpr[RDI] = kData;
    for (unsigned i = 0; i < 16; ++i) std::memset(s.ymm[i], static_cast<int>(0x10 + i), 32);
  }
  template <class T>
  T lane(unsigned reg, unsigned i) {
    T value;
    std::memcpy(&value, state().ymm[reg] + i * sizeof(T), sizeof value);
    return value;
  }
  template <class T>
  void set_lane(unsigned reg, unsigned i, T value) {
    std::memcpy(state().ymm[reg] + i * sizeof(T), &value, sizeof value);
  }
};

}  // namespace

TEST_CASE("host_thunk: a legacy SSE instruction leaves the upper half of its register alone") {
  SimdCpu t;
  for (unsigned i = 0; i < 4; ++i) {
    t.set_lane<float>(1, i, 1.5f);
    t.set_lane<float>(9, i, static_cast<float>(i));
  }
  REQUIRE(t.execute({0x41, 0x0f, 0x58, 0xc9}).ok());  // addps xmm1, xmm9
  CHECK(t.lane<float>(1, 3) == 4.5f);
  CHECK(t.lane<u64>(1, 2) == 0x1111'1111'1111'1111);
  CHECK(t.lane<u64>(9, 0) != 0x1919'1919'1919'1919);
}

TEST_CASE("host_thunk: VEX.128 clears the upper half, VEX.256 computes it") {
  SimdCpu t;
  REQUIRE(t.execute({0xc5, 0xe9, 0xfc, 0xcb}).ok());  // vpaddb xmm1, xmm2, xmm3
  CHECK(t.lane<u64>(1, 0) == 0x2525'2525'2525'2525);
  CHECK(t.lane<u64>(1, 2) == 0);
  REQUIRE(t.execute({0xc5, 0xed, 0xfc, 0xcb}).ok());  // vpaddb ymm1, ymm2, ymm3
  CHECK(t.lane<u64>(1, 3) == 0x2525'2525'2525'2525);
}

TEST_CASE("host_thunk: one register may be source and destination at once") {
  SimdCpu t;
  REQUIRE(t.execute({0x66, 0x0f, 0xef, 0xc0}).ok());  // pxor xmm0, xmm0
  CHECK(t.lane<u64>(0, 1) == 0);
  REQUIRE(t.execute({0xc4, 0x41, 0x35, 0xfc, 0xc9}).ok());  // vpaddb ymm9, ymm9, ymm9
  CHECK(t.lane<u64>(9, 3) == 0x3232'3232'3232'3232);
}

TEST_CASE("host_thunk: scalar loads read as many bytes as they say, at the very end of a segment") {
  SimdCpu t;
  t.enter_protected();
  t.state().cr4 |= cr4::OSFXSR;
  t.state().segment(Seg::DS) = TestCpu::segment(0x10, 0, kData + 7, 0xc93);
  t.cpu.update_mode();
  t.state().gpr[RDI] = kData;
  t.poke<u64>(kData, 0x1122'3344'5566'7788);
  REQUIRE(t.execute({0xf2, 0x0f, 0x10, 0x07}).ok());  // movsd xmm0, [edi]
  CHECK(t.lane<u64>(0, 0) == 0x1122'3344'5566'7788);
  CHECK(t.lane<u64>(0, 1) == 0);
  CHECK(faulted(t.execute({0x0f, 0x10, 0x07}), Vector::GP));  // movups xmm0, [edi]
}

TEST_CASE("host_thunk: misaligned operands fault where the instruction asks for alignment") {
  SimdCpu t;
  t.state().gpr[RDI] = kData + 8;
  CHECK(faulted(t.execute({0x0f, 0x58, 0x07}), Vector::GP));        // addps xmm0, [rdi]
  CHECK(faulted(t.execute({0x0f, 0x29, 0x07}), Vector::GP));        // movaps [rdi], xmm0
  CHECK(faulted(t.execute({0xc5, 0xfc, 0x28, 0x07}), Vector::GP));  // vmovaps ymm0, [rdi]
  CHECK(t.execute({0x0f, 0x11, 0x07}).ok());                        // movups [rdi], xmm0
  CHECK(t.execute({0xf2, 0x0f, 0xf0, 0x07}).ok());                  // lddqu xmm0, [rdi]
  CHECK(t.execute({0xc5, 0xf4, 0x58, 0x07}).ok());                  // vaddps ymm0, ymm1, [rdi]
  CHECK(t.execute({0x66, 0x0f, 0x3a, 0x63, 0x07, 0}).ok());         // pcmpistri xmm0, [rdi], 0
}

TEST_CASE("host_thunk: a store that faults changes nothing, MXCSR included") {
  SimdCpu t;
  t.set_lane<float>(0, 0, 1.0f / 3);
  t.state().gpr[RDI] = TestCpu::kRamBytes;  // Not mapped.
  CHECK(faulted(t.execute({0x0f, 0x11, 0x07}), Vector::PF, pf::W));
  const u32 before = t.state().x87.mxcsr;
  CHECK(faulted(t.execute({0xc4, 0xe3, 0x79, 0x1d, 0x07, 0x00}), Vector::PF, pf::W));  // vcvtps2ph
  CHECK(t.state().x87.mxcsr == before);
}

TEST_CASE("host_thunk: general registers are read and written at their width") {
  SimdCpu t;
  t.state().gpr[R9] = 0xffff'ffff'ffff'fffe;
  REQUIRE(t.execute({0xf2, 0x49, 0x0f, 0x2a, 0xc1}).ok());  // cvtsi2sd xmm0, r9
  CHECK(t.lane<double>(0, 0) == -2.0);
  t.state().gpr[R10] = ~u64{0};
  REQUIRE(t.execute({0xf2, 0x44, 0x0f, 0x2c, 0xd0}).ok());  // cvttsd2si r10d, xmm0
  CHECK(t.state().gpr[R10] == 0xffff'fffe);
  REQUIRE(t.execute({0x66, 0x41, 0x0f, 0xd7, 0xc0}).ok());  // pmovmskb eax, xmm8
  CHECK(t.state().gpr[RAX] == 0);
  REQUIRE(t.execute({0x66, 0x0f, 0x3a, 0x14, 0x0f, 3}).ok());  // pextrb [rdi], xmm1, 3
  CHECK(t.peek<u8>(kData) == 0x11);
  CHECK(t.peek<u8>(kData + 1) == 0);
}

TEST_CASE("host_thunk: VEX.W means nothing to general registers outside 64-bit code") {
  SimdCpu t;
  t.enter_protected();
  t.cpu.update_mode();
  t.state().gpr[RDI] = kData;
  t.poke<u64>(kData, 0x1122'3344'5566'7788);
  REQUIRE(t.execute({0xc4, 0xe1, 0xf9, 0x6e, 0x07}).ok());  // vmovd xmm0, [edi] with W = 1
  CHECK(t.lane<u64>(0, 0) == 0x5566'7788);
  t.state().gpr[RAX] = 0xffff'ffff;
  REQUIRE(t.execute({0xc4, 0xe1, 0xf3, 0x2a, 0xc0}).ok());  // vcvtsi2sd xmm0, xmm1, eax
  CHECK(t.lane<double>(0, 0) == -1.0);
}

TEST_CASE("host_thunk: comparisons set ZF, PF and CF and clear the others") {
  SimdCpu t;
  t.state().flags.set(rflags::kArithmetic);
  t.set_lane<double>(0, 0, 1.0);
  t.set_lane<double>(1, 0, 2.0);
  REQUIRE(t.execute({0x66, 0x0f, 0x2f, 0xc1}).ok());  // comisd xmm0, xmm1
  CHECK(t.state().flags.get() == rflags::CF);
  t.set_lane<double>(1, 0, std::numeric_limits<double>::quiet_NaN());
  REQUIRE(t.execute({0x66, 0x0f, 0x2e, 0xc1}).ok());  // ucomisd xmm0, xmm1
  CHECK(t.state().flags.get() == (rflags::CF | rflags::PF | rflags::ZF));
  CHECK((t.state().x87.mxcsr & kInvalid) == 0);
  REQUIRE(t.execute({0x66, 0x0f, 0x2f, 0xc1}).ok());
  CHECK((t.state().x87.mxcsr & kInvalid) != 0);
}

TEST_CASE("host_thunk: PCMPESTRI takes lengths from EAX and EDX and answers in ECX") {
  SimdCpu t;
  const char text[17] = "hello world.....";
  const char word[17] = "world...........";
  std::memcpy(t.state().ymm[2], text, 16);
  std::memcpy(t.state().ymm[1], word, 16);
  t.state().gpr[RAX] = 5;
  t.state().gpr[RDX] = 11;
  t.state().gpr[RCX] = ~u64{0};
  REQUIRE(t.execute({0x66, 0x0f, 0x3a, 0x61, 0xca, 0x0c}).ok());  // equal ordered
  CHECK(t.state().gpr[RCX] == 6);
  CHECK(t.state().flags.cf());
}

TEST_CASE("host_thunk: the implied XMM0 is the guest's") {
  SimdCpu t;
  t.set_lane<u64>(0, 0, 0x8000'0000'0000'0000);
  t.set_lane<u64>(0, 1, 0);
  REQUIRE(t.execute({0x66, 0x0f, 0x38, 0x15, 0xca}).ok());  // blendvpd xmm1, xmm2, xmm0
  CHECK(t.lane<u64>(1, 0) == 0x1212'1212'1212'1212);
  CHECK(t.lane<u64>(1, 1) == 0x1111'1111'1111'1111);
}

TEST_CASE("host_thunk: the guest's rounding is in force, the host's afterwards") {
  SimdCpu t;
  t.state().x87.mxcsr = 0x1f80 | 2u << 13;  // Up.
  t.set_lane<double>(0, 0, 1.0);
  t.set_lane<double>(1, 0, 3.0);
  REQUIRE(t.execute({0xf2, 0x0f, 0x5e, 0xc1}).ok());  // divsd xmm0, xmm1
  CHECK(t.lane<double>(0, 0) > 1.0 / 3.0);
  CHECK((t.state().x87.mxcsr & kPrecision) != 0);
  volatile double one = 1.0, three = 3.0;
  CHECK(one / three == 1.0 / 3.0);
}

TEST_CASE("host_thunk: an unmasked exception is #XM, its flag set and the destination unchanged") {
  SimdCpu t;
  t.state().x87.mxcsr = kUnmaskDivide;
  t.set_lane<double>(0, 0, 1.0);
  t.set_lane<double>(1, 0, 0.0);
  CHECK(faulted(t.execute({0xf2, 0x0f, 0x5e, 0xc1}), Vector::XM));
  CHECK(t.lane<double>(0, 0) == 1.0);
  CHECK(t.state().x87.mxcsr == (kUnmaskDivide | kDivideByZero));
  t.state().cr4 &= ~cr4::OSXMMEXCPT;
  CHECK(faulted(t.execute({0xf2, 0x0f, 0x5e, 0xc1}), Vector::UD));
  // And again, with YMM registers and a memory operand.
  t.state().cr4 |= cr4::OSXMMEXCPT;
  t.state().x87.mxcsr = kUnmaskInvalid;
  for (unsigned i = 0; i < 4; ++i) t.poke<u64>(kData + i * 8, 0x7ff4'0000'0000'0000);
  CHECK(faulted(t.execute({0xc5, 0xfd, 0x58, 0x0f}), Vector::XM));  // vaddpd ymm1, ymm0, [rdi]
  CHECK(t.lane<u64>(1, 3) == 0x1111'1111'1111'1111);
}

TEST_CASE("host_thunk: availability follows CR0, CR4 and XCR0") {
  SimdCpu t;
  cpu::CpuState& s = t.state();
  const std::initializer_list<u8> sse = {0x0f, 0x58, 0xc1};
  const std::initializer_list<u8> avx = {0xc5, 0xf4, 0x58, 0xc2};
  const std::initializer_list<u8> mmx = {0x0f, 0xfc, 0xc1};
  s.cr0 |= cr0::TS;
  CHECK(faulted(t.execute(sse), Vector::NM));
  CHECK(faulted(t.execute(avx), Vector::NM));
  CHECK(faulted(t.execute(mmx), Vector::NM));
  s.cr0 |= cr0::EM;
  CHECK(faulted(t.execute(sse), Vector::UD));
  CHECK(faulted(t.execute(avx), Vector::NM));  // VEX does not heed EM.
  CHECK(faulted(t.execute(mmx), Vector::UD));
  s.cr0 &= ~(cr0::TS | cr0::EM);
  s.cr4 &= ~cr4::OSFXSR;
  CHECK(faulted(t.execute(sse), Vector::UD));
  CHECK(t.execute(avx).ok());
  CHECK(t.execute(mmx).ok());
  s.xcr0 = xcr0::X87 | xcr0::SSE;
  CHECK(faulted(t.execute(avx), Vector::UD));
}

TEST_CASE("host_thunk: MMX instructions alias the x87 registers by physical number") {
  SimdCpu t;
  cpu::X87State& x87 = t.state().x87;
  x87.fsw = 3u << 11;  // TOP = 3: physical register 1 is ST(6).
  x87.ftw = 0;
  const u64 value = 0x0102'0304'0506'0708;
  std::memcpy(x87.st[6], &value, 8);
  REQUIRE(t.execute({0x0f, 0xfc, 0xc9}).ok());  // paddb mm1, mm1
  CHECK((x87.fsw & (7u << 11)) == 0);
  CHECK(x87.ftw == 0xff);
  u64 sum;
  u16 exponent;
  std::memcpy(&sum, x87.st[1], 8);
  std::memcpy(&exponent, x87.st[1] + 8, 2);
  CHECK(sum == 2 * value);
  CHECK(exponent == 0xffff);
  CHECK(x87.st[0][9] == 0);  // What was not written keeps its exponent.
}

TEST_CASE("host_thunk: an MMX store that faults leaves the x87 stack as it was") {
  SimdCpu t;
  t.state().x87.fsw = 3u << 11;
  t.state().x87.ftw = 0x40;
  t.state().gpr[RDI] = TestCpu::kRamBytes;
  CHECK(faulted(t.execute({0x0f, 0x7f, 0x07}), Vector::PF, pf::W));  // movq [rdi], mm0
  CHECK(t.state().x87.fsw == 3u << 11);
  CHECK(t.state().x87.ftw == 0x40);
}

TEST_CASE("host_thunk: forms are shared between registers, not between immediates") {
  SimdCpu t;
  cpu::Instruction a, b, c;
  const u8 first[] = {0x66, 0x0f, 0x70, 0xc1, 0x1b};
  const u8 second[] = {0x66, 0x0f, 0x70, 0xfe, 0x1b};
  const u8 third[] = {0x66, 0x0f, 0x70, 0xc1, 0x1c};
  t.decoder.decode(cpu::CodeSize::Bits64, false, first, sizeof first, a);
  t.decoder.decode(cpu::CodeSize::Bits64, false, second, sizeof second, b);
  t.decoder.decode(cpu::CodeSize::Bits64, false, third, sizeof third, c);
  REQUIRE(a.thunk != nullptr);
  CHECK(a.thunk == b.thunk);
  CHECK(a.thunk != c.thunk);
}

TEST_CASE("simd_masked: elements that the mask leaves out are not touched") {
  SimdCpu t;
  const u64 edge = TestCpu::kRamBytes - 8;  // The second half of 16 bytes is not mapped.
  t.state().gpr[RDI] = edge;
  t.poke<u64>(edge, 0x1122'3344'5566'7788);
  t.set_lane<u64>(2, 0, 0x8000'0000'8000'0000);
  t.set_lane<u64>(2, 1, 0);
  REQUIRE(t.execute({0xc4, 0xe2, 0x69, 0x2c, 0x0f}).ok());  // vmaskmovps xmm1, xmm2, [rdi]
  CHECK(t.lane<u64>(1, 0) == 0x1122'3344'5566'7788);
  CHECK(t.lane<u64>(1, 1) == 0);
  CHECK(t.lane<u64>(1, 2) == 0);
  REQUIRE(t.execute({0xc4, 0xe2, 0x69, 0x2e, 0x1f}).ok());  // vmaskmovps [rdi], xmm2, xmm3
  CHECK(t.peek<u64>(edge) == 0x1313'1313'1313'1313);
  t.set_lane<u64>(2, 1, 0x8000'0000);
  t.set_lane<u64>(3, 0, 0);
  CHECK(faulted(t.execute({0xc4, 0xe2, 0x69, 0x2e, 0x1f}), Vector::PF, pf::W));
  CHECK(t.peek<u64>(edge) == 0x1313'1313'1313'1313);
}

TEST_CASE("simd_masked: MASKMOVDQU stores the bytes whose mask has the top bit") {
  SimdCpu t;
  std::memset(t.state().ymm[1], 0, 16);
  t.state().ymm[1][2] = 0x80;
  t.state().ymm[1][15] = 0xff;
  REQUIRE(t.execute({0x66, 0x0f, 0xf7, 0xc1}).ok());  // maskmovdqu xmm0, xmm1
  CHECK(t.peek<u32>(kData) == 0x0010'0000);
  CHECK(t.peek<u32>(kData + 12) == 0x1000'0000);
}

TEST_CASE("simd_masked: a gather that faults keeps what it gathered and can start again") {
  SimdCpu t;
  for (unsigned i = 0; i < 4; ++i) {
    t.poke<u32>(kData + i * 4, 0xa0 + i);
    t.set_lane<u32>(2, i, i);
    t.set_lane<u32>(3, i, 0x8000'0000);
  }
  t.set_lane<u32>(2, 2, static_cast<u32>((TestCpu::kRamBytes - kData) / 4));
  const std::initializer_list<u8> gather = {0xc4, 0xe2, 0x61, 0x90, 0x0c, 0x97};
  CHECK(faulted(t.execute(gather), Vector::PF));  // vpgatherdd xmm1, [rdi + xmm2*4], xmm3
  CHECK(t.lane<u32>(1, 0) == 0xa0);
  CHECK(t.lane<u32>(1, 1) == 0xa1);
  CHECK(t.lane<u32>(1, 3) == 0x1111'1111);
  CHECK(t.lane<u64>(3, 0) == 0);
  CHECK(t.lane<u64>(3, 1) == ~u64{0});
  t.set_lane<u32>(2, 2, 0);
  REQUIRE(t.execute(gather).ok());
  CHECK(t.lane<u32>(1, 2) == 0xa0);
  CHECK(t.lane<u32>(1, 3) == 0xa3);
  CHECK(t.lane<u64>(1, 2) == 0);
  CHECK(t.lane<u64>(3, 1) == 0);
}

TEST_CASE("simd_masked: a gather whose registers are not three is undefined") {
  SimdCpu t;
  CHECK(
      faulted(t.execute({0xc4, 0xe2, 0x71, 0x90, 0x0c, 0x97}), Vector::UD));  // mask = destination
}

}  // namespace doppel
