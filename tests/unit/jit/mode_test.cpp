#include "jit/mode.h"

#include <doctest/doctest.h>

#include "tests/unit/jit/guest_code.h"

namespace doppel::jit {
namespace {

using test::TestCpu;

/// The key before and after a change, which must differ; back again, it must be the old one.
template <class Change, class Undo>
void tells_apart(TestCpu& test, Change change, Undo undo) {
  const u32 before = Mode::of(test.cpu).key();
  change();
  CHECK(Mode::of(test.cpu).key() != before);
  undo();
  CHECK(Mode::of(test.cpu).key() == before);
}

TEST_CASE("mode: code sizes have keys of their own") {
  TestCpu test;
  test.enter_long();
  const Mode mode64 = Mode::of(test.cpu);
  CHECK(mode64.code64());
  CHECK(mode64.flat_code());
  CHECK(mode64.wide_stack());
  test.enter_protected();
  test.state().efer = 0;
  test.state().cr0 &= ~cr0::PG;
  test.cpu.update_mode();
  const Mode mode32 = Mode::of(test.cpu);
  CHECK(mode32.code_size() == cpu::CodeSize::Bits32);
  CHECK(mode32.key() != mode64.key());
  test.state().segment(Seg::CS) = TestCpu::segment(TestCpu::kCode16, 0, 0xffff, 0x09b);
  test.cpu.update_mode();
  const Mode mode16 = Mode::of(test.cpu);
  CHECK(mode16.code_size() == cpu::CodeSize::Bits16);
  CHECK(mode16.key() != mode32.key());
  CHECK_FALSE(mode16.untranslatable());
}

TEST_CASE("mode: real, virtual-8086 and protected mode decode differently and are told apart") {
  TestCpu test;
  test.enter_v86(3);
  const Mode v86 = Mode::of(test.cpu);
  CHECK((v86.decoder_key() & 4) != 0);
  CHECK(v86.privilege() == mmu::Mmu::PrivilegeClass::User);
  TestCpu other;
  const Mode real = Mode::of(other.cpu);
  CHECK((real.decoder_key() & 4) != 0);
  CHECK(real.privilege() == mmu::Mmu::PrivilegeClass::Supervisor);
  CHECK(real.key() != v86.key());
}

TEST_CASE("mode: the shape of each data segment is part of the key in 16-bit code, of three in 32-bit code") {
  for (const bool is_wide : {false, true}) {
    CAPTURE(is_wide);
    TestCpu test;
    test.enter_protected();
    const cpu::SegmentRegister flat = test.state().segment(Seg::DS);
    if (!is_wide) test.state().segment(Seg::CS) = TestCpu::segment(TestCpu::kCode16, 0, 0xffff, 0x09b);
    test.cpu.update_mode();
    for (const Seg which : {Seg::ES, Seg::SS, Seg::DS, Seg::FS, Seg::GS}) {
      if (is_wide && (which == Seg::FS || which == Seg::GS)) continue;
      CAPTURE(static_cast<unsigned>(which));
      CHECK(Mode::of(test.cpu).shape(which) == SegmentShape::Flat);
      const auto load = [&](const cpu::SegmentRegister& segment) {
        test.state().segment(which) = segment;
        test.cpu.update_mode();
      };
      const auto back = [&] { load(flat); };
      for (const auto& [base, limit, attributes, shape] :
           {std::tuple{0x5000u, 0xffff'ffffu, 0xc93, SegmentShape::Based}, {0x5000u, 0xffffu, 0x493, SegmentShape::Small},
            {0u, 0xfffeu, 0x493, SegmentShape::Other}, {0u, 0xffff'ffffu, 0xc91, SegmentShape::Other},
            {0u, 0xffffu, 0x497, SegmentShape::Other}, {0u, 0u, 0, SegmentShape::Other}}) {
        tells_apart(test, [&] {
          load(TestCpu::segment(0x10, base, limit, static_cast<u16>(attributes)));
          CHECK(Mode::of(test.cpu).shape(which) == shape);
        }, back);
      }
    }
  }
}

TEST_CASE("mode: 32-bit code looks at FS and GS when it runs") {
  TestCpu test;
  test.enter_protected();
  const u32 key = Mode::of(test.cpu).key();
  for (const Seg which : {Seg::FS, Seg::GS}) {
    CAPTURE(static_cast<unsigned>(which));
    CHECK(Mode::of(test.cpu).shape(which) == SegmentShape::Checked);
    const u64 epoch = test.cpu.translation_epoch();
    const auto load = [&](const cpu::SegmentRegister& segment) {
      test.state().segment(which) = segment;
      test.cpu.update_segment(which);
      return test.cpu.segment_facts(which)->bound;
    };
    constexpr u64 kNegative = u64{1} << 63;
    CHECK(load(TestCpu::segment(0x10, 0x5000, 0xffff'ffff, 0xc93)) == 0);
    const u64 bound = load(TestCpu::segment(0x10, 0x5000, 0xfff, 0x493));
    CHECK(bound + 0xfff < kNegative);
    CHECK(bound + 0x1000 >= kNegative);
    CHECK(load(TestCpu::segment(0x10, 0, 0xffff'ffff, 0xc91)) == kNegative);  // Read-only.
    CHECK(load(TestCpu::segment(0x10, 0, 0xfff, 0x497)) == kNegative);        // Expands down.
    CHECK(load(TestCpu::segment(0, 0, 0, 0)) == kNegative);
    CHECK(test.cpu.translation_epoch() == epoch);
    CHECK(Mode::of(test.cpu).key() == key);
  }
}

TEST_CASE("mode: with SMAP supervisors know what AC is") {
  using Class = mmu::Mmu::PrivilegeClass;
  TestCpu test;
  test.enter_long();
  CHECK_FALSE(Mode::of(test.cpu).has_smap());
  test.state().cr4 |= cr4::SMAP;
  test.cpu.update_paging();
  const auto mode_with = [&](u64 flags) {
    test.cpu.write_flags(flags, rflags::AC);
    return Mode::of(test.cpu);
  };
  const Mode without = mode_with(0), with = mode_with(rflags::AC);
  CHECK(without.has_smap());
  CHECK(without.privilege() == Class::Supervisor);
  CHECK(with.privilege() == Class::SupervisorAc);
  CHECK(with.key() == without.with_other_access().key());
  CHECK(without.key() == with.with_other_access().key());
}

TEST_CASE("mode: bases of segments are read when code runs, except that 0 is known") {
  TestCpu test;
  test.enter_protected();
  test.state().segment(Seg::FS) = TestCpu::segment(0x10, 0x1000, 0xffff'ffff, 0xc93);
  test.cpu.update_segment(Seg::FS);
  const u32 key = Mode::of(test.cpu).key();
  test.state().segment(Seg::FS) = TestCpu::segment(0x18, 0x2000, 0xffff'ffff, 0xc93);
  test.cpu.update_segment(Seg::FS);
  CHECK(Mode::of(test.cpu).key() == key);
}

TEST_CASE("mode: in 64-bit code segment registers do not count") {
  TestCpu test;
  test.enter_long();
  const u32 key = Mode::of(test.cpu).key();
  test.state().segment(Seg::DS) = TestCpu::segment(0, 0, 0, 0);
  test.state().segment(Seg::FS) = TestCpu::segment(0, 0x1234'5678, 0xffff'ffff, 0xc93);
  test.cpu.update_mode();
  CHECK(Mode::of(test.cpu).key() == key);
}

TEST_CASE("mode: code with an odd limit is not translated") {
  TestCpu test;
  test.enter_protected();
  CHECK_FALSE(Mode::of(test.cpu).untranslatable());
  test.state().segment(Seg::CS) = TestCpu::segment(TestCpu::kCode32, 0, 0x1'ffff, 0xc9b);
  test.cpu.update_mode();
  CHECK(Mode::of(test.cpu).untranslatable());
  test.state().segment(Seg::CS) = TestCpu::segment(TestCpu::kCode32, 0x4000, 0xffff'ffff, 0xc9b);
  test.cpu.update_mode();
  CHECK_FALSE(Mode::of(test.cpu).untranslatable());
  CHECK_FALSE(Mode::of(test.cpu).flat_code());
}

TEST_CASE("mode: while every access is looked at nothing is translated") {
  TestCpu test;
  test.enter_long(3);
  CHECK_FALSE(Mode::of(test.cpu).untranslatable());
  test.cpu.mmu.set_alignment_check(true);
  CHECK(Mode::of(test.cpu).untranslatable());
  test.cpu.mmu.set_alignment_check(false);
  const mmu::DataBreakpoint slot{LinearAddr(0x5000), 4, true};
  test.cpu.mmu.set_data_breakpoints({&slot, 1});
  CHECK(Mode::of(test.cpu).untranslatable());
  test.cpu.mmu.set_data_breakpoints({});
  CHECK_FALSE(Mode::of(test.cpu).untranslatable());
}

TEST_CASE("mode: privilege and SMAP's exception choose the table") {
  using Class = mmu::Mmu::PrivilegeClass;
  TestCpu test;
  test.enter_long();
  CHECK(Mode::of(test.cpu).privilege() == Class::Supervisor);
  test.state().cr4 |= cr4::SMAP;
  test.cpu.update_paging();
  test.cpu.update_mode();
  tells_apart(test, [&] {
    test.state().system_flags |= rflags::AC;
    test.cpu.update_mode();
    CHECK(Mode::of(test.cpu).privilege() == Class::SupervisorAc);
  }, [&] {
    test.state().system_flags &= ~rflags::AC;
    test.cpu.update_mode();
  });
  TestCpu user;
  user.enter_long(3);
  CHECK(Mode::of(user.cpu).privilege() == Class::User);
}

TEST_CASE("mode: what floating point may do is part of the key") {
  TestCpu test;
  test.enter_long();
  allow_vectors(test);
  auto& s = test.state();
  const Mode mode = Mode::of(test.cpu);
  CHECK(mode.has_x87());
  CHECK(mode.has_sse());
  CHECK(mode.has_avx());
  const auto has = [&](bool x87, bool sse, bool avx) {
    const Mode now = Mode::of(test.cpu);
    return now.has_x87() == x87 && now.has_sse() == sse && now.has_avx() == avx;
  };
  const auto bit = [](u64& word, u64 mask) { return [&word, mask] { word ^= mask; }; };
  tells_apart(test, [&] { s.cr0 |= cr0::TS; CHECK(has(false, false, false)); }, bit(s.cr0, cr0::TS));
  tells_apart(test, [&] { s.cr0 |= cr0::EM; CHECK(has(false, false, true)); }, bit(s.cr0, cr0::EM));
  tells_apart(test, [&] { s.cr4 &= ~cr4::OSFXSR; CHECK(has(true, false, true)); }, bit(s.cr4, cr4::OSFXSR));
  tells_apart(test, [&] { s.cr4 &= ~cr4::OSXSAVE; CHECK(has(true, true, false)); }, bit(s.cr4, cr4::OSXSAVE));
  tells_apart(test, [&] { s.xcr0 = 3; CHECK(has(true, true, false)); }, [&] { s.xcr0 = 7; });
  for (u32 mask = 0x80; mask <= 0x1000; mask <<= 1) {
    CAPTURE(mask);
    tells_apart(test, [&] { s.x87.mxcsr &= ~mask; CHECK(has(true, false, false)); }, [&] { s.x87.mxcsr |= mask; });
  }
  for (u16 mask = 1; mask <= 0x20; mask = static_cast<u16>(mask << 1)) {
    CAPTURE(mask);
    tells_apart(test, [&] { s.x87.fcw = static_cast<u16>(s.x87.fcw & ~mask); CHECK(has(false, true, true)); },
                [&] { s.x87.fcw = static_cast<u16>(s.x87.fcw | mask); });
  }
  tells_apart(test, [&] { s.x87.fsw = 0x80; CHECK(has(false, true, true)); }, [&] { s.x87.fsw = 0; });
}

TEST_CASE("mode: rounding and status of floating point do not count") {
  TestCpu test;
  test.enter_long();
  allow_vectors(test);
  const u32 key = Mode::of(test.cpu).key();
  test.state().x87.mxcsr |= 0x6000 | 0x8040 | 0x3f;
  test.state().x87.fcw |= 0xc00;
  test.state().x87.fsw = 0x7f3f & ~0x80;
  CHECK(Mode::of(test.cpu).key() == key);
}

TEST_CASE("mode: the size of the stack pointer counts outside 64-bit code") {
  TestCpu test;
  test.enter_protected();
  CHECK(Mode::of(test.cpu).wide_stack());
  test.state().segment(Seg::SS) = TestCpu::segment(0x30, 0, 0xffff, 0x093);
  test.cpu.update_mode();
  CHECK_FALSE(Mode::of(test.cpu).wide_stack());
}

}  // namespace
}  // namespace doppel::jit
