// Traces: what runs much, translated along the way it takes.

#include "tests/unit/jit/traced.h"

namespace doppel::jit {
namespace {

using namespace asmjit::x86;
using cpu::ExitReason;
using test::TestCpu;

TEST_CASE("translator: a loop becomes a trace and stays exact") {
  Traced traced([](Assembler& a) {
    const asmjit::Label top = a.newLabel();
    a.bind(top);
    a.mov(rax, ptr(rbx));
    a.add(rax, rcx);
    a.mov(ptr(rbx, 8), rax);
    a.add(r14, rax);
    a.adc(r15, 0);
    a.inc(rcx);
    a.jmp(top);
  });
  traced.run_in_stretches();
  // Most of it runs inside.
  CHECK(traced.twins.statistics().entries < 2000);
}

TEST_CASE("translator: a trace follows branches taken and not taken, and is left by the other way") {
  Traced traced([](Assembler& a) {
    const asmjit::Label top = a.newLabel(), odd = a.newLabel(), join = a.newLabel(), rare = a.newLabel();
    a.bind(top);
    a.lea(r13, ptr(r13, 1));
    a.test(r13b, 1);
    a.jnz(odd);
    a.add(r14, ptr(rbx));
    a.jmp(join);
    a.bind(rare);
    a.xor_(r14, r15);
    a.mov(ptr(rbx, 16), r14);
    a.jmp(join);
    a.bind(odd);
    a.test(r13d, 0x1ff);
    a.shl(r15, 1);
    a.jz(rare);
    a.cmp(r13b, 0x55);
    a.je(rare);
    a.sub(ptr(rbx, 8), r13);
    a.bind(join);
    a.setc(al);
    a.cmp(r13, r14);
    a.jne(top);
    a.hlt();
  });
  traced.run_in_stretches();
}

TEST_CASE("translator: flags that are read at the beginning of a loop come from its end") {
  Traced traced([](Assembler& a) {
    const asmjit::Label top = a.newLabel();
    a.stc();
    a.bind(top);
    a.adc(rax, ptr(rbx));
    a.mov(ptr(rbx), rax);
    a.lea(rcx, ptr(rcx, 3));
    a.cmp(cl, al);
    a.jmp(top);
  });
  traced.run_in_stretches();
}

TEST_CASE("translator: a fault in the middle of a trace shows the state before its instruction") {
  // Goes up through memory until there is none: the access raises #PF or leaves the map.
  Traced traced([](Assembler& a) {
    const asmjit::Label top = a.newLabel();
    a.bind(top);
    a.add(r12, 1);
    a.mov(ptr(rbx), r12);
    a.lea(rbx, ptr(rbx, 512));
    a.cmp(r12, r13);
    a.jne(top);
    a.hlt();
  });
  for (unsigned i = 0; i < 40; ++i) {
    const ExitReason reason = traced.twins.run(1'003);
    CHECK_SAME(traced.twins);
    if (reason != ExitReason::BudgetSpent) break;
  }
}

TEST_CASE("translator: a store into a trace, or between its parts, is heeded at once") {
  // Every 256 rounds the loop changes an immediate of its own, and bytes that it jumps over.
  Traced traced([](Assembler& a) {
    const asmjit::Label top = a.newLabel(), over = a.newLabel(), patched = a.newLabel(), hole = a.newLabel();
    a.bind(top);
    a.bind(patched);
    a.mov(eax, 5);
    a.add(r14, rax);
    a.jmp(over);
    a.bind(hole);
    a.dq(0);
    a.bind(over);
    a.inc(ecx);
    a.test(cl, cl);
    a.jnz(top);
    a.mov(byte_ptr(hole), ch);
    a.mov(byte_ptr(patched, 1), ch);
    a.jmp(top);
  });
  traced.run_in_stretches();
  CHECK(traced.twins.statistics().invalidated > 0);
}

TEST_CASE("translator: accesses that move on in an unrolled loop, over the ends of pages") {
  // Odd distances, so that each kind of access straddles pages sometimes, in each round.
  Traced traced([](Assembler& a) {
    const asmjit::Label outer = a.newLabel(), top = a.newLabel();
    a.bind(outer);
    a.lea(rsi, ptr(rbx, 1));
    a.mov(edi, 0);
    a.mov(ecx, 3001);
    a.bind(top);
    a.mov(rax, ptr(rsi));
    a.add(rax, ptr(rbx, rdi, 2, 3));
    a.mov(ptr(rsi, 0x2'0000), rax);
    a.add(rsi, 7);
    a.add(rdi, 2);
    a.adc(r14, rax);
    a.sub(ecx, 1);
    a.jnz(top);
    a.add(r15, 1);
    a.jmp(outer);
  });
  traced.run_in_stretches();
  REQUIRE(traced.twins.run(200'000) == ExitReason::BudgetSpent);
  CHECK_SAME(traced.twins);
  // What straddles goes on in translated code.
  CHECK(traced.twins.statistics().slow_accesses < 300);
}

TEST_CASE("translator: a loop that is left in the middle of its rounds") {
  Traced traced([](Assembler& a) {
    const asmjit::Label top = a.newLabel(), other = a.newLabel();
    a.bind(top);
    a.add(rax, ptr(rbx, rcx, 0));
    a.inc(rcx);
    a.imul(r14, rax, 0x5bd1e995);
    a.bt(r14, 9);
    a.jc(other);
    a.mov(ptr(rbx, rcx, 0, 256), al);
    a.cmp(rcx, 5000);
    a.jne(top);
    a.mov(ecx, 0);
    a.jmp(top);
    a.bind(other);
    a.adc(r15, 3);
    a.jmp(top);
  });
  traced.run_in_stretches();
}

TEST_CASE("translator: a stack frame over the end of a page") {
  // A recursion whose frames come to lie anywhere.
  Traced traced([](Assembler& a) {
    const asmjit::Label again = a.newLabel(), function = a.newLabel(), leaf = a.newLabel();
    a.mov(rsp, kData + 0x8000);
    a.bind(again);
    a.mov(edi, 90);
    a.call(function);
    a.add(r14, rax);
    a.jmp(again);
    a.bind(function);
    a.push(rbp);
    a.push(rbx);
    a.sub(rsp, 24);
    a.mov(ptr(rsp, 8), rdi);
    a.mov(rbx, rdi);
    a.test(edi, edi);
    a.jz(leaf);
    a.lea(edi, ptr(rdi, -1));
    a.call(function);
    a.add(rax, ptr(rsp, 8));
    a.bind(leaf);
    a.add(rax, rbx);
    a.add(rsp, 24);
    a.pop(rbx);
    a.pop(rbp);
    a.ret();
  });
  traced.run_in_stretches();
  REQUIRE(traced.twins.run(300'000) == ExitReason::BudgetSpent);
  CHECK_SAME(traced.twins);
  CHECK(traced.twins.statistics().slow_accesses < 300);
}

TEST_CASE("translator: code that is run a little at a time is sampled, too") {
  TranslatorOptions options = tracing();
  options.sample_interval = 1000;
  Traced traced(options, [](Assembler& a) {
    const asmjit::Label top = a.newLabel();
    a.bind(top);
    a.add(rax, rcx);
    a.inc(rcx);
    a.jmp(top);
  });
  for (unsigned i = 0; i < 50; ++i) {
    REQUIRE(traced.twins.run(300) == ExitReason::BudgetSpent);
    CHECK_SAME(traced.twins);
  }
  CHECK(traced.twins.statistics().traces > 0);
}

// The way behind the branch is shorter than what the trace is charged for, so samples find the trace alone.
TEST_CASE("translator: what follows a branch out of a trace becomes one by its count") {
  const auto traces_of = [](bool uses_flags, u64 hot_runs) {
    TranslatorOptions options = tracing();
    options.hot_runs = hot_runs;
    options.hot_samples = 3;  // Where a run begins is sampled, too.
    Traced traced(options, [uses_flags](Assembler& a) {
      const asmjit::Label top = a.newLabel(), other = a.newLabel();
      a.bind(top);
      for (unsigned i = 0; i < 28; ++i) a.lea(r13, ptr(r13, 1));
      a.test(r12, r12);
      a.jnz(other);
      for (unsigned i = 0; i < 12; ++i) a.lea(r14, ptr(r14, r13));
      a.jmp(top);
      a.bind(other);
      if (uses_flags) a.setp(al);
      a.add(r15, r13);
      a.mov(ptr(rbx), r15);
      a.jmp(top);
    });
    REQUIRE(traced.twins.run(5000) == ExitReason::BudgetSpent);
    const u64 before = traced.twins.statistics().traces;
    traced.twins.both([](TestCpu& test) { test.state().gpr[R12] = 1; });
    REQUIRE(traced.twins.run(30'000) == ExitReason::BudgetSpent);
    CHECK_SAME(traced.twins);
    return traced.twins.statistics().traces - before;
  };
  for (const bool uses_flags : {false, true}) {
    CAPTURE(uses_flags);
    CHECK(traces_of(uses_flags, 1'000'000) == 0);
    CHECK(traces_of(uses_flags, 50) > 0);
  }
}

TEST_CASE("translator: two groups in turn, with registers that the loop does not name") {
  Traced traced([](Assembler& a) {
    const asmjit::Label top = a.newLabel(), copy = a.newLabel();
    a.mov(rbp, 0x1234567);
    a.mov(r8, 0x7654321);
    a.bind(top);
    a.lea(rdi, ptr(rbx, 0x1ff0));
    a.lea(rsi, ptr(rbx, 0xff8));
    a.mov(ecx, 900);
    a.bind(copy);
    a.mov(rax, ptr(rsi));
    a.add(rax, rcx);
    a.mov(ptr(rdi), rax);
    a.xor_(rax, ptr(rsi, 8));
    a.mov(ptr(rdi, 8), rax);
    a.add(rsi, 8);
    a.add(rdi, 16);
    a.dec(ecx);
    a.jnz(copy);
    a.lea(r8, ptr(r8, rbp));
    a.lea(rbp, ptr(rbp, r8));
    a.jmp(top);
  });
  traced.run_in_stretches();
  REQUIRE(traced.twins.run(30'011) == ExitReason::BudgetSpent);
  CHECK_SAME(traced.twins);
}

TEST_CASE("translator: a fault where a register is lent to a group") {
  Traced traced([](Assembler& a) {
    const asmjit::Label copy = a.newLabel();
    a.mov(rbp, 0x1234567);
    a.mov(r8, 0x7654321);
    a.mov(rsi, rbx);
    a.mov(rdi, test::TestCpu::kRamBytes - 0x3000);
    a.bind(copy);
    a.mov(rax, ptr(rsi));
    a.mov(ptr(rdi), rax);
    a.mov(rax, ptr(rsi, 8));
    a.mov(ptr(rdi, 8), rax);
    a.add(rdi, 16);
    a.jmp(copy);
  });
  REQUIRE(traced.twins.run(2000) == ExitReason::BudgetSpent);
  CHECK_SAME(traced.twins);
  CHECK(traced.twins.statistics().traces > 0);
  (void)traced.twins.run(5000);
  CHECK_SAME(traced.twins);
  CHECK(traced.twins.reference.test.state().gpr[RDI] == test::TestCpu::kRamBytes);
}

TEST_CASE("translator: traces in 32-bit code") {
  const auto write = [](Assembler& a) {
    const asmjit::Label top = a.newLabel(), skip = a.newLabel();
    a.bind(top);
    a.add(eax, ecx);
    a.test(al, 3);
    a.jnz(skip);
    a.mov(ptr(esp, -16), eax);
    a.bind(skip);
    a.inc(ecx);
    a.jmp(top);
  };
  Twins twins(tracing());
  twins.both([](TestCpu& test) {
    test.enter_protected();
    test.state().gpr[RSP] = kData;
  });
  twins.put(kCode, code32(kCode, write));
  for (const u64 budget : {1000u, 77u, 20'000u, 3u, 65u}) {
    REQUIRE(twins.run(budget) == ExitReason::BudgetSpent);
    CHECK_SAME(twins);
  }
  CHECK(twins.statistics().traces > 0);
}

}  // namespace
}  // namespace doppel::jit
