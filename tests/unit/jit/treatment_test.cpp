// What block_plan makes of single instructions, mode by mode.

#include <functional>
#include <initializer_list>

#include <doctest/doctest.h>

#include "jit/block_plan.h"
#include "tests/unit/jit/guest_code.h"

namespace doppel::jit {
namespace {

using test::TestCpu;
using T = Treatment;
using Bytes = std::vector<u8>;

T treatment(TestCpu& test, const Bytes& bytes) {
  const std::vector<cpu::Instruction> block = decode_all(test, bytes);
  REQUIRE(block.size() == 1);
  return plan_block(block, Mode::of(test.cpu), 0x1000, {}).instructions[0].treatment;
}

struct Machine {
  TestCpu test;
  explicit Machine(unsigned bits) {
    if (bits == 64) test.enter_long();
    if (bits == 32) test.enter_protected();
    allow_vectors(test);
    if (bits == 16) {
      // What BIOSes and DOS run in.
      test.state().segment(Seg::CS) = TestCpu::segment(0x1000, 0x10000, 0xffff, 0x09b);
      test.state().rip() = 0;
      test.cpu.update_mode();
    }
  }
  T operator()(std::initializer_list<u8> bytes) { return treatment(test, bytes); }
};

TEST_CASE("treatment: innocuous instructions stay themselves in every code size") {
  for (const unsigned bits : {16u, 32u, 64u}) {
    CAPTURE(bits);
    Machine what(bits);
    CHECK(what({0x01, 0xd8}) == T::Identical);        // add eax, ebx
    CHECK(what({0x0f, 0xaf, 0xc3}) == T::Identical);  // imul eax, ebx
    CHECK(what({0x90}) == T::Nothing);
    CHECK(what({0x0f, 0x1f, 0xc0}) == T::Nothing);
    CHECK(what({0x50}) == T::Push);
    CHECK(what({0x5b}) == T::Pop);
    CHECK(what({0xeb, 0x00}) == T::Jump);
    CHECK(what({0x75, 0x00}) == T::JumpIf);
    CHECK(what({0xe2, 0x00}) == T::Count);
    CHECK(what({0xc3}) == T::Return);
  }
  Machine what(64);
  CHECK(what({0x48, 0x8d, 0x43, 0x08}) == T::Address);
  CHECK(what({0xe8, 0, 0, 0, 0}) == T::Call);
  CHECK(what({0xc9}) == T::Leave);
}

TEST_CASE("treatment: what the monitor owns is a callout") {
  for (const unsigned bits : {16u, 32u, 64u}) {
    CAPTURE(bits);
    Machine what(bits);
    CHECK(what({0xec}) == T::Callout);              // in al, dx
    CHECK(what({0xf4}) == T::Callout);              // hlt
    CHECK(what({0x0f, 0xa2}) == T::Callout);        // cpuid
    CHECK(what({0x0f, 0x31}) == T::ReadSystem);     // rdtsc
    CHECK(what({0x0f, 0x20, 0xc0}) == T::ReadControl);  // mov eax, cr0
    CHECK(what({0x0f, 0x20, 0xe0}) == T::Callout);  // mov eax, cr4
    CHECK(what({0x0f, 0x22, 0xd8}) == T::Callout);  // mov cr3, eax
    CHECK(what({0x8c, 0x18}) == T::Callout);        // mov [eax], ds
    CHECK(what({0x8e, 0xd8}) == (bits == 32 ? T::LoadSegment : T::Callout));  // mov ds, eax
    CHECK(what({0x8e, 0xd0}) == T::Callout);        // mov ss, eax
    CHECK(what({0x0f, 0x01, 0xe0}) == T::Callout);  // smsw eax
    CHECK(what({0xcb}) == T::Callout);              // retf
    CHECK(what({0xcf}) == T::Callout);              // iret
    CHECK(what({0xcd, 0x80}) == T::Callout);        // int 80h
  }
}

TEST_CASE("treatment: what has no meaning never reaches the host") {
  Machine what(64);
  CHECK(what({0x0f, 0x0b}) == T::Callout);        // ud2
  CHECK(what({0x06}) == T::Callout);              // push es, gone in 64-bit code
  CHECK(what({0xf0, 0x01, 0xd8}) == T::Callout);  // lock add eax, ebx
  CHECK(what({0xf0, 0x90}) == T::Callout);        // lock nop
  CHECK(what({0x62, 0xf1, 0x7c, 0x48, 0x58, 0xc1}) == T::Callout);  // EVEX
}

TEST_CASE("treatment: what kernels do all the time needs no handler, with CPL 0") {
  for (const unsigned bits : {16u, 32u, 64u}) {
    CAPTURE(bits);
    Machine what(bits);
    CHECK(what({0x9c}) == T::PushFlags);
    CHECK(what({0x8c, 0xd8}) == T::ReadSelector);  // mov eax, ds
    CHECK(what({0x9d}) == T::PopFlags);
    CHECK(what({0xfa}) == T::ClearInterrupts);
    CHECK(what({0xfb}) == T::SetInterrupts);
    CHECK(what({0x0f, 0xa0}) == T::Push);  // push fs
    CHECK(what({0x0f, 0x01, 0xf8}) == (bits == 64 ? T::SwapGs : T::Callout));
    if (bits == 16) continue;
    what.test.state().cpl = 1;
    what.test.cpu.update_mode();
    CHECK(what({0x9c}) == T::Callout);
    CHECK(what({0x9d}) == T::Callout);
    CHECK(what({0xfa}) == T::Callout);
    CHECK(what({0xfb}) == T::Callout);
    CHECK(what({0x0f, 0x01, 0xf8}) == T::Callout);
  }
}

TEST_CASE("treatment: where hosts differ or an operand says how far, the handler decides") {
  Machine what(32);
  CHECK(what({0x0f, 0xa4, 0xd8, 0x05}) == T::Identical);      // shld eax, ebx, 5
  CHECK(what({0x66, 0x0f, 0xa4, 0xd8, 0x05}) == T::Callout);  // shld ax, bx, 5
  CHECK(what({0xc1, 0xd0, 0x05}) == T::Identical);            // rcl eax, 5
  CHECK(what({0xc0, 0xd0, 0x05}) == T::Callout);              // rcl al, 5
  CHECK(what({0x66, 0xc1, 0xd8, 0x05}) == T::Callout);        // rcr ax, 5
  CHECK(what({0x0f, 0xa3, 0xd8}) == T::Identical);            // bt eax, ebx
  CHECK(what({0x0f, 0xa3, 0x18}) == T::BitString);            // bt [eax], ebx
  CHECK(what({0x66, 0x0f, 0xa3, 0x18}) == T::Callout);        // bt [eax], bx
  CHECK(what({0x64, 0x0f, 0xa3, 0x18}) == T::Callout);        // bt fs:[eax], ebx
  CHECK(what({0x0f, 0xc7, 0x08}) == T::ExchangePair);         // cmpxchg8b [eax]
  CHECK(what({0x0f, 0xba, 0x20, 0x03}) == T::Identical);      // bt dword [eax], 3
  CHECK(what({0xa5}) == T::String);                           // movsd, the string
  CHECK(what({0xf3, 0xa5}) == T::RepeatString);               // rep movsd
  CHECK(what({0xf2, 0xaa}) == T::RepeatString);               // repne stosb
  CHECK(what({0x64, 0xf3, 0xa5}) == T::Callout);              // rep movsd from fs:
  CHECK(what({0x67, 0xf3, 0xab}) == T::Callout);              // rep stosd by 16-bit addresses
  CHECK(what({0xf3, 0xad}) == T::Callout);                    // rep lodsd
  CHECK(what({0xf3, 0x6d}) == T::Callout);                    // rep insd
  CHECK(what({0xa6}) == T::String);                           // cmpsb
  CHECK(what({0xf2, 0xae}) == T::Callout);                    // repne scasb
  CHECK(what({0xfc}) == T::Direction);                        // cld
  CHECK(what({0xf2, 0x0f, 0x10, 0xc1}) == T::Identical);      // movsd xmm0, xmm1
  CHECK(what({0x37}) == T::Callout);                          // aaa
}

TEST_CASE("treatment: branches whose operand size is not that of the code, and which may wrap, are the interpreter's") {
  Machine what32(32);
  CHECK(what32({0x66, 0x75, 0x00}) == T::Interpret);
  CHECK(what32({0x66, 0xc3}) == T::Interpret);
  Machine what16(16);
  CHECK(what16({0x66, 0xe8, 0, 0, 0, 0}) == T::Call);
  CHECK(what16({0x66, 0xe8, 0xf9, 0xef, 0, 0}) == T::Call);       // To ffff.
  CHECK(what16({0x66, 0xe8, 0xfa, 0xef, 0, 0}) == T::Interpret);  // Beyond.
  CHECK(what16({0x66, 0xeb, 0x80}) == T::Jump);
  CHECK(what16({0x66, 0xc3}) == T::Return);
  CHECK(what16({0xe8, 0, 0}) == T::Call);
}

TEST_CASE("treatment: floating point needs its unit, and quiet exceptions") {
  const std::initializer_list<u8> fadd = {0xd8, 0xc1}, addps = {0x0f, 0x58, 0xc1},
                                  vaddps = {0xc5, 0xf0, 0x58, 0xc1};
  Machine what(64);
  CHECK(what(fadd) == T::Identical);
  CHECK(what(addps) == T::Identical);
  CHECK(what(vaddps) == T::Identical);
  auto& s = what.test.state();
  s.cr0 |= cr0::TS;
  CHECK(what(fadd) == T::Callout);
  CHECK(what(addps) == T::Callout);
  CHECK(what(vaddps) == T::Callout);
  s.cr0 &= ~cr0::TS;
  s.x87.mxcsr = 0x1f00;
  CHECK(what(fadd) == T::Identical);
  CHECK(what(addps) == T::Callout);
  CHECK(what(vaddps) == T::Callout);
  s.x87.mxcsr = 0x1f80;
  s.x87.fcw = 0x37e;
  CHECK(what(fadd) == T::Callout);
  CHECK(what(addps) == T::Identical);
  s.x87.fcw = 0x37f;
  s.xcr0 = xcr0::X87 | xcr0::SSE;
  CHECK(what(addps) == T::Identical);
  CHECK(what(vaddps) == T::Callout);
}

TEST_CASE("treatment: MMX shares registers with x87 and is always a callout") {
  Machine what(64);
  CHECK(what({0x0f, 0xfc, 0xc1}) == T::Callout);        // paddb mm0, mm1
  CHECK(what({0x66, 0x0f, 0xfc, 0xc1}) == T::Identical);  // paddb xmm0, xmm1
  CHECK(what({0x0f, 0x2a, 0xc1}) == T::Callout);        // cvtpi2ps xmm0, mm1
}

TEST_CASE("treatment: VZEROALL outside 64-bit code spares registers the host's would clear") {
  Machine what64(64), what32(32);
  CHECK(what64({0xc5, 0xfc, 0x77}) == T::Identical);
  CHECK(what32({0xc5, 0xfc, 0x77}) == T::Callout);
  CHECK(what64({0xc5, 0xf8, 0x77}) == T::Identical);
  CHECK(what32({0xc5, 0xf8, 0x77}) == T::Callout);
}

TEST_CASE("treatment: accesses through odd segments are the interpreter's, and so is all behind them") {
  Machine what(32);
  const auto load_ds = [&](const cpu::SegmentRegister& segment) {
    what.test.state().segment(Seg::DS) = segment;
    what.test.cpu.update_segment(Seg::DS);
  };
  CHECK(what({0x8b, 0x03}) == T::Identical);           // mov eax, [ebx]
  CHECK(what({0x2e, 0x89, 0x03}) == T::Interpret);     // mov cs:[ebx], eax
  CHECK(what({0x2e, 0x8b, 0x03}) == T::Identical);
  load_ds(TestCpu::segment(0x10, 0, 0xfff, 0xc93));
  CHECK(what({0x8b, 0x03}) == T::Interpret);           // A limit of 4 KiB.
  CHECK(what({0x36, 0x8b, 0x03}) == T::Identical);     // ss:
  load_ds(TestCpu::segment(0x10, 0x1234, 0xffff'ffff, 0xc93));
  CHECK(what({0x8b, 0x03}) == T::Identical);           // A base alone is added.
  load_ds(TestCpu::segment(0x10, 0, 0xffff'ffff, 0xc91));
  CHECK(what({0x8b, 0x03}) == T::Interpret);           // Read-only.
  load_ds(TestCpu::segment(0, 0, 0, 0));
  CHECK(what({0x8b, 0x03}) == T::Interpret);           // Null.

  const std::vector<cpu::Instruction> block = decode_all(what.test, Bytes{0x40, 0x8b, 0x03, 0x40, 0x40});
  const BlockPlan plan = plan_block(block, Mode::of(what.test.cpu), 0x10000, {});
  CHECK(plan.instructions.size() == 2);
}

TEST_CASE("treatment: segments of 64 KiB are checked, whatever the address size") {
  Machine what(16);
  CHECK(what({0x8b, 0x07}) == T::Identical);              // mov ax, [bx]
  CHECK(what({0x67, 0x8b, 0x03}) == T::Identical);        // mov ax, [ebx]
  CHECK(what({0x2e, 0x8b, 0x07}) == T::Identical);        // mov ax, cs:[bx]
  CHECK(what({0x2e, 0x89, 0x07}) == T::Interpret);        // Real mode may, which is rare.
}

TEST_CASE("treatment: LEAVE through a narrow stack is a callout") {
  Machine what16(16), what32(32);
  CHECK(what16({0xc9}) == T::Callout);
  CHECK(what32({0xc9}) == T::Leave);
  CHECK(what32({0x66, 0xc9}) == T::Callout);
}

}  // namespace
}  // namespace doppel::jit
