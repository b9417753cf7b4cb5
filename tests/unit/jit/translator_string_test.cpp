// MOVS and STOS with REP, which a stub does where that is simple.

#include <Zydis/Zydis.h>

#include "tests/unit/jit/traced.h"

namespace doppel::jit {
namespace {

using namespace asmjit::x86;
using cpu::ExitReason;
using test::TestCpu;

constexpr u64 kHandler = 0x2'0000;

using Emit = void (*)(Assembler&);
constexpr Emit kAll[] = {
    [](Assembler& a) { a.rep().movsb(); }, [](Assembler& a) { a.rep().movsw(); }, [](Assembler& a) { a.rep().movsd(); },
    [](Assembler& a) { a.rep().movsq(); }, [](Assembler& a) { a.rep().stosb(); }, [](Assembler& a) { a.rep().stosw(); },
    [](Assembler& a) { a.rep().stosd(); }, [](Assembler& a) { a.rep().stosq(); },
};

/// All of them, from R10 to R11, R9 elements.
void each(Assembler& a, bool backwards) {
  if (backwards) a.std();
  for (const Emit emit : kAll) {
    a.mov(rsi, r10);
    a.mov(rdi, r11);
    a.mov(rcx, r9);
    a.add(rax, 0x1234'5679);  // Flags that must stay.
    emit(a);
    a.adc(rbx, rdi);
    a.adc(rbx, rsi);
    a.adc(rbx, rcx);
  }
  if (backwards) a.cld();
}

struct Case {
  u64 from, to, count;
};

void run(Twins& twins, const Case& c, bool backwards) {
  CAPTURE(c.from);
  CAPTURE(c.to);
  CAPTURE(c.count);
  CAPTURE(backwards);
  twins.both([&](TestCpu& test) {
    cpu::CpuState& state = test.state();
    state.rip() = backwards ? kCode + 0x800 : kCode;
    state.gpr[R9] = c.count;
    state.gpr[R10] = c.from;
    state.gpr[R11] = c.to;
    state.gpr[RAX] = 0xf0f1'f2f3'f4f5'f6f7;
    state.halted = false;
  });
  REQUIRE(twins.run(200'000) == ExitReason::Halted);
  CHECK_SAME(twins);
}

void set_up(Twins& twins) {
  twins.both([](TestCpu& test) {
    test.enter_long();
    for (u64 i = 0; i < 0x800; ++i) test.poke<u64>(kData + 8 * i, i * 0x9e37'79b9'7f4a'7c15);
  });
  for (const bool backwards : {false, true}) {
    const u64 at = backwards ? kCode + 0x800 : kCode;
    twins.put(at, code64(at, [&](Assembler& a) {
      each(a, backwards);
      a.hlt();
    }));
  }
}

TEST_CASE("translator strings: REP MOVS and REP STOS, near and far, long and short, over each other") {
  Twins twins;
  set_up(twins);
  for (const u64 count : {u64{0}, u64{1}, u64{2}, u64{7}, u64{63}, u64{512}, u64{513}, u64{4095}, u64{4096}, u64{5000}}) {
    for (const u64 to : {u64{0x1000}, u64{0x1001}, u64{0x0008}, u64{0x0801}, u64{0x0ff8}, u64{0x1ffc}}) {
      for (const bool backwards : {false, true}) run(twins, {kData + 0x2000 * backwards, kData + to + 0x4000 * backwards, count}, backwards);
    }
    run(twins, {kData + 0x10, kData + 0x18, count}, false);
    run(twins, {kData + 0x10, kData + 0x11, count}, false);
    run(twins, {kData + 0x18, kData + 0x10, count}, false);
  }
}

TEST_CASE("translator strings: what lies in a page needs no handler") {
  Twins twins;
  set_up(twins);
  const auto callouts = [&] {
    u64 sum = 0;
    for (const auto mnemonic : {ZYDIS_MNEMONIC_MOVSB, ZYDIS_MNEMONIC_MOVSW, ZYDIS_MNEMONIC_MOVSD, ZYDIS_MNEMONIC_MOVSQ,
                                ZYDIS_MNEMONIC_STOSB, ZYDIS_MNEMONIC_STOSW, ZYDIS_MNEMONIC_STOSD, ZYDIS_MNEMONIC_STOSQ}) {
      sum += twins.statistics().callouts_by_mnemonic[mnemonic];
    }
    return sum;
  };
  run(twins, {kData + 0x10, kData + 0x1010, 3}, false);  // Fills the table.
  const u64 before = callouts();
  for (const u64 count : {u64{0}, u64{1}, u64{17}, u64{510}}) run(twins, {kData + 0x10, kData + 0x1010, count}, false);
  CHECK(callouts() == before);
  run(twins, {kData + 0x10, kData + 0x1010, 1}, true);
  CHECK(callouts() == before + 8);
  run(twins, {kData + 0x10, kData + 0x1ff8, 2}, false);  // MOVSQ and STOSQ run over the end.
  CHECK(callouts() == before + 10);
}

TEST_CASE("translator strings: counts whose sizes wrap, and pages that may not be written") {
  constexpr u64 kReadOnly = 0x40'0000;
  for (const Emit emit : kAll) {
    Twins twins;
    set_up(twins);
    twins.put(kCode, code64(kCode, [&](Assembler& a) {
      a.mov(rsi, r10);
      a.mov(rdi, r11);
      a.mov(rcx, r9);
      emit(a);
      a.hlt();
    }));
    twins.both([](TestCpu& test) {
      test.poke<u64>(0x10'2010, kData | 0x85);
      test.set_idt64(13, TestCpu::kCode64, kHandler, 14);
      test.set_idt64(14, TestCpu::kCode64, kHandler, 14);
      test.memory.write_bytes(PhysAddr(kHandler), std::vector<u8>{0xf4});  // hlt
    });
    run(twins, {kData + 0x10, kData + 0x1010, 5}, false);
    for (const u64 count : {u64{1} << 61, (u64{1} << 61) + 4, (u64{1} << 62) + 1, (u64{1} << 63) + 2, ~u64{0}, u64{1} << 52}) {
      run(twins, {kData + 0x10, kData + 0x1f'e010, 1}, false);
      run(twins, {kData + 0x10, kData + 0x1f'e010, count}, false);  // To the end of what can be written, and a fault.
    }
    run(twins, {kReadOnly + 0x10, kData + 0x1010, 5}, false);
    run(twins, {kData + 0x10, kReadOnly + 0x10, 5}, false);
    run(twins, {kReadOnly + 0x20'0000 - 8, kData + 0x10, 40}, false);
    run(twins, {kData + 0x10, 0x8000'0000'0000'0000, 4}, false);
  }
}

}  // namespace
}  // namespace doppel::jit
