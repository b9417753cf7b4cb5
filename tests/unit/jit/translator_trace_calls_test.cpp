// Traces that go on through calls and returns.

#include "jit/call_contexts.h"
#include "tests/unit/jit/traced.h"

namespace doppel::jit {
namespace {

using namespace asmjit::x86;
using cpu::ExitReason;
using test::TestCpu;

TEST_CASE("call contexts: a number for each list of open calls, 0 for none, and no more than there is room for") {
  CallContexts contexts;
  CHECK(contexts.number_of({}) == 0);
  OpenCalls calls = {0x1000};
  const auto one = contexts.number_of(calls);
  REQUIRE(one.has_value());
  CHECK(contexts.number_of(calls) == one);
  calls.push_back(0x2000);
  const auto two = contexts.number_of(calls);
  REQUIRE(two.has_value());
  CHECK(one != two);
  CHECK(contexts.calls_of(*two) == calls);
  for (u64 i = 0; i < CallContexts::kMost - 3; ++i) CHECK(contexts.number_of({0x10'0000 + i}).has_value());
  CHECK_FALSE(contexts.number_of({~u64{0}}).has_value());
  CHECK(contexts.number_of(calls) == two);
  contexts.clear();
  CHECK(contexts.number_of({~u64{0}}) == 1);
}

/// Entries that translated code needs for `instructions` more: each goes through C++.
u64 entries_in(Traced& traced, u64 instructions) {
  const u64 before = traced.twins.statistics().entries;
  REQUIRE(traced.twins.run(instructions) == ExitReason::BudgetSpent);
  CHECK_SAME(traced.twins);
  return traced.twins.statistics().entries - before;
}

TEST_CASE("translator: a loop that calls a function goes through it and back") {
  Traced traced([](Assembler& a) {
    const asmjit::Label top = a.newLabel(), function = a.newLabel();
    a.mov(rsp, kData + 0x800);
    a.bind(top);
    a.mov(rdi, rcx);
    a.call(function);
    a.add(r14, rax);
    a.inc(rcx);
    a.jmp(top);
    a.bind(function);
    a.push(rbp);
    a.lea(rax, ptr(rdi, rdi, 1));
    a.mov(rbp, ptr(rsp, 8));
    a.add(r15, rbp);
    a.pop(rbp);
    a.ret();
  });
  traced.run_in_stretches();
  CHECK(entries_in(traced, 100'000) < 2'500);  // Each sample is one, or two.
}

TEST_CASE("translator: a function left by another way than was noted still returns") {
  // Branches inside the function, and one call deeper; the ways change all the time.
  Traced traced([](Assembler& a) {
    const asmjit::Label top = a.newLabel(), outer = a.newLabel(), inner = a.newLabel();
    const asmjit::Label odd = a.newLabel(), early = a.newLabel(), done = a.newLabel();
    a.mov(rsp, kData + 0x800);
    a.mov(r14, 0x1234'5678);
    a.bind(top);
    a.imul(r14, r14, 0x5bd1e995);
    a.inc(r14);
    a.call(outer);
    a.add(rsi, rax);
    a.jmp(top);
    a.bind(outer);
    a.bt(r14, 20);
    a.jc(odd);
    a.call(inner);
    a.adc(rax, 1);
    a.ret();
    a.bind(odd);
    a.call(inner);
    a.call(inner);
    a.sbb(rax, 3);
    a.ret(0);
    a.bind(inner);
    a.mov(eax, 7);
    a.bt(r14, 25);
    a.jnc(early);
    a.bt(r14, 31);
    a.jc(done);
    a.add(rax, ptr(rsp));
    a.bind(early);
    a.adc(rax, r14);
    a.bind(done);
    a.ret();
  });
  traced.run_in_stretches();
  CHECK(entries_in(traced, 200'000) < 4'000);
}

TEST_CASE("translator: a call through a register that leads elsewhere after a while") {
  Traced traced([](Assembler& a) {
    const asmjit::Label top = a.newLabel(), one = a.newLabel(), two = a.newLabel(), keep = a.newLabel();
    a.mov(rsp, kData + 0x800);
    a.lea(rbp, ptr(one));
    a.lea(r12, ptr(two));
    a.bind(top);
    a.call(rbp);
    a.inc(ecx);
    a.test(ecx, 0x3ff);
    a.jnz(keep);
    a.xchg(rbp, r12);
    a.bind(keep);
    a.call(r12);
    a.jmp(top);
    a.bind(one);
    a.add(r14, rcx);
    a.ret();
    a.bind(two);
    a.xor_(r14, rcx);
    a.setp(al);
    a.ret();
  });
  traced.run_in_stretches();
  CHECK(entries_in(traced, 200'000) < 4'000);
}

TEST_CASE("translator: a return that does not go back to its call") {
  // The function moves its return address on by 3 every 64th time, or throws it away.
  Traced traced([](Assembler& a) {
    const asmjit::Label top = a.newLabel(), function = a.newLabel(), plain = a.newLabel(), gone = a.newLabel();
    a.mov(rsp, kData + 0x800);
    a.bind(top);
    a.inc(ecx);
    a.call(function);
    a.lea(rax, ptr(rax));
    a.add(r14, rax);
    a.jmp(top);
    a.bind(function);
    a.mov(eax, ecx);
    a.and_(eax, 63);
    a.jnz(plain);
    a.test(ecx, 64);
    a.jz(gone);
    a.add(qword_ptr(rsp), 3);
    a.bind(plain);
    a.ret();
    a.bind(gone);
    a.add(rsp, 8);
    a.jmp(top);
  });
  traced.run_in_stretches();
  REQUIRE(traced.twins.run(100'000) == ExitReason::BudgetSpent);
  CHECK_SAME(traced.twins);
}

TEST_CASE("translator: a recursion that branches") {
  Traced traced([](Assembler& a) {
    const asmjit::Label top = a.newLabel(), fib = a.newLabel(), leaf = a.newLabel();
    a.bind(top);
    a.mov(rsp, kData + 0x4008);
    a.mov(edi, 12);
    a.call(fib);
    a.add(r14, rax);
    a.jmp(top);
    a.bind(fib);
    a.push(rbp);
    a.push(rbx);
    a.mov(eax, edi);
    a.cmp(edi, 2);
    a.jb(leaf);
    a.mov(ebx, edi);
    a.lea(edi, ptr(rdi, -1));
    a.call(fib);
    a.mov(ebp, eax);
    a.lea(edi, ptr(rbx, -2));
    a.call(fib);
    a.add(eax, ebp);
    a.bind(leaf);
    a.pop(rbx);
    a.pop(rbp);
    a.ret();
  });
  traced.run_in_stretches();
  CHECK(entries_in(traced, 200'000) < 4'000);
}

TEST_CASE("translator: a fault in a function that a trace has gone into") {
  // The stack goes down until there is no more of it.
  Traced traced([](Assembler& a) {
    const asmjit::Label top = a.newLabel(), function = a.newLabel();
    a.mov(rsp, 0x9000);
    a.bind(top);
    a.call(function);
    a.sub(rsp, 40);
    a.jmp(top);
    a.bind(function);
    a.push(rcx);
    a.add(rcx, ptr(rsp, 8));
    a.ret(8);
  });
  for (unsigned i = 0; i < 40; ++i) {
    const ExitReason reason = traced.twins.run(1'003);
    CHECK_SAME(traced.twins);
    if (reason != ExitReason::BudgetSpent) break;
  }
}

TEST_CASE("translator: a call that faults does not lead into the handler") {
  // One call of 32 has no stack to push to; the handler, on one of its own, provides one. One of the turns notes the way in
  // such a round.
  constexpr u64 kHandler = kCode + 0x800;
  for (u64 first = 0; first < 32; ++first) {
    CAPTURE(first);
    Traced traced([](Assembler& a) {
      const asmjit::Label top = a.newLabel(), function = a.newLabel();
      a.bind(top);
      a.mov(esp, 0x8800);
      a.inc(rcx);
      a.test(cl, 31);
      a.mov(edx, 0x80'0000);
      a.cmovz(rsp, rdx);
      a.call(function);
      a.add(rax, rcx);
      a.jmp(top);
      a.bind(function);
      a.lea(rax, ptr(rax, rcx, 0, 5));
      a.ret();
    });
    traced.twins.put(kHandler, code64(kHandler, [](Assembler& a) {
      a.mov(qword_ptr(rsp, 32), 0x8800);
      a.inc(r15);
      a.add(rsp, 8);
      a.iretq();
    }));
    traced.twins.both([&](TestCpu& test) {
      test.set_idt64(14, TestCpu::kCode64, kHandler, 14, 0, 1);
      test.state().gpr[RCX] = first;
    });
    for (const u64 budget : {1000u, 3000u}) {
      REQUIRE(traced.twins.run(budget) == ExitReason::BudgetSpent);
      CHECK_SAME(traced.twins);
    }
    CHECK(traced.twins.statistics().traces > 0);
    CHECK(traced.twins.subject.test.state().gpr[R15] > 10);
  }
}

TEST_CASE("translator: a store into a function that a trace has gone into") {
  Traced traced([](Assembler& a) {
    const asmjit::Label top = a.newLabel(), function = a.newLabel();
    a.mov(rsp, kData + 0x800);
    a.bind(top);
    a.call(function);
    a.add(r14, rax);
    a.inc(ecx);
    a.test(cl, cl);
    a.jnz(top);
    a.mov(byte_ptr(function, 1), ch);
    a.jmp(top);
    a.bind(function);
    a.mov(eax, 5);
    a.ret();
  });
  traced.run_in_stretches();
  CHECK(traced.twins.statistics().invalidated > 0);
}

TEST_CASE("translator: a trace goes into functions of other pages, and heeds stores to each") {
  // Every 256 rounds the loop changes an immediate in one of the functions.
  Traced traced([](Assembler& a) {
    const asmjit::Label top = a.newLabel();
    const u64 first = kCode + 0x1ff0, second = kCode + 0x3100;
    a.mov(rsp, kData + 0x800);
    a.bind(top);
    a.call(first);
    a.add(r14, rax);
    a.call(second);
    a.sub(r14, rax);
    a.inc(ecx);
    a.test(cl, cl);
    a.jnz(top);
    a.mov(rdi, second);
    a.mov(byte_ptr(rdi, 1), ch);
    a.jmp(top);
  });
  const auto function = [](Assembler& a) {
    a.mov(eax, 5);
    a.lea(rax, ptr(rax, rcx));
    a.ret();
  };
  traced.twins.put(kCode + 0x1ff0, code64(kCode + 0x1ff0, function));
  traced.twins.put(kCode + 0x3100, code64(kCode + 0x3100, function));
  traced.run_in_stretches();
  CHECK(traced.twins.statistics().invalidated > 0);
  bool has_trace_in_three_pages = false;
  traced.twins.subject.engine->for_each_block_at(LinearAddr(kCode + 0x3100), [&](const Listing& listing) {
    has_trace_in_three_pages = has_trace_in_three_pages || listing.guest_rip >> kPageShift == kCode >> kPageShift;
  });
  CHECK(has_trace_in_three_pages);
}

TEST_CASE("translator: calls of 32-bit code in traces") {
  const auto write = [](Assembler& a) {
    const asmjit::Label top = a.newLabel(), function = a.newLabel(), even = a.newLabel();
    a.bind(top);
    a.push(ecx);
    a.call(function);
    a.inc(ecx);
    a.jmp(top);
    a.bind(function);
    a.mov(edx, ptr(esp, 4));
    a.test(dl, 1);
    a.jz(even);
    a.add(esi, edx);
    a.bind(even);
    a.ret(4);
  };
  Twins twins(tracing());
  twins.both([](test::TestCpu& test) {
    test.enter_protected();
    test.state().gpr[RSP] = kData + 0x800;
  });
  twins.put(kCode, code32(kCode, write));
  run_in_stretches(twins);
}

}  // namespace
}  // namespace doppel::jit
