#include "jit/translator.h"

#include <map>
#include <set>

#include <Zydis/Zydis.h>

#include "tests/unit/jit/twins.h"

namespace doppel::jit {
namespace {

using namespace asmjit::x86;
using cpu::ExitReason;
using test::TestCpu;

constexpr u64 kCode = TestCpu::kCode;

/// Goes round `rounds` times: arithmetic that needs its flags, memory, the stack, a call, SSE.
std::vector<u8> busy_loop(u32 rounds) {
  return code64(kCode, [&](Assembler& a) {
    const asmjit::Label top = a.newLabel(), function = a.newLabel(), even = a.newLabel();
    a.mov(ecx, rounds);
    a.mov(ebx, 0x200000);
    a.bind(top);
    a.add(rax, rcx);
    a.adc(rdx, ptr(rbx));
    a.mov(ptr(rbx, 8), rax);
    a.push(rdx);
    a.pop(r14);
    a.paddq(xmm1, ptr(rbx));
    a.call(function);
    a.test(al, 1);
    a.jz(even);
    a.rol(r14, 3);
    a.bind(even);
    a.dec(ecx);
    a.jnz(top);
    a.hlt();
    a.bind(function);
    a.xor_(ptr(rbx), r14);
    a.shl(rsi, 1);
    a.adc(rsi, 0);
    a.ret();
  });
}

void enter_long(Twins& twins) {
  twins.both([](TestCpu& test) {
    test.enter_long();
    allow_vectors(test);
  });
}

TEST_CASE("translator: every budget ends at exactly so many instructions") {
  Twins twins;
  enter_long(twins);
  twins.put(kCode, busy_loop(1'000'000));
  u64 retired = 0;
  for (u64 budget = 1; budget <= 200; ++budget) {
    CAPTURE(budget);
    REQUIRE(twins.run(budget) == ExitReason::BudgetSpent);
    retired += budget;
    REQUIRE(twins.subject.test.state().retired == retired);
    CHECK_SAME(twins);
  }
  CHECK(twins.statistics().entries > 100);
  CHECK(twins.statistics().links > 5);
  for (const u64 budget : {1000u, 1001u, 12345u, 99999u}) {
    REQUIRE(twins.run(budget) == ExitReason::BudgetSpent);
    CHECK_SAME(twins);
  }
  // Not by the interpreter alone.
  CHECK(twins.statistics().interpreted_blocks < 5000);
}

TEST_CASE("translator: every budget ends exactly in 32-bit code and in real mode too") {
  Twins narrow;
  narrow.both([](TestCpu& test) { test.enter_protected(); });
  narrow.put(kCode, code32(kCode, [](Assembler& a) {
    const asmjit::Label top = a.newLabel();
    a.mov(ebx, 0x200000);
    a.bind(top);
    a.add(eax, ecx);
    a.adc(ptr(ebx), eax);
    a.push(edx);
    a.pop(esi);
    a.inc(edx);
    a.dec(ecx);
    a.jmp(top);
  }));
  Twins real;
  real.both([](TestCpu& test) {
    for (cpu::SegmentRegister& one : test.state().seg) one = TestCpu::segment(0x900, 0x9000, 0xffff, 0x093);
    test.state().segment(Seg::CS) = TestCpu::segment(0x1000, 0x10000, 0xffff, 0x09b);
    test.state().rip() = 0;
    test.state().gpr[RSP] = 0x800;
    test.cpu.update_mode();
  });
  // top: add ax, cx; adc [bx+16], ax; push dx; pop si; inc dx; loop top; jmp top
  real.put(kCode, {0x01, 0xc8, 0x11, 0x47, 0x10, 0x52, 0x5e, 0x42, 0xe2, 0xf6, 0xeb, 0xf4});
  for (u64 budget = 1; budget <= 200; ++budget) {
    CAPTURE(budget);
    REQUIRE(narrow.run(budget) == ExitReason::BudgetSpent);
    CHECK_SAME(narrow);
    REQUIRE(real.run(budget) == ExitReason::BudgetSpent);
    CHECK_SAME(real);
  }
  CHECK(narrow.statistics().entries > 100);
  CHECK(real.statistics().entries > 100);
}

TEST_CASE("translator: HLT ends a run and retires") {
  Twins twins;
  enter_long(twins);
  twins.put(kCode, busy_loop(1000));
  CHECK(twins.run(1'000'000) == ExitReason::Halted);
  CHECK_SAME(twins);
  CHECK(twins.subject.test.state().halted);
}

TEST_CASE("translator: an interrupt between runs is taken at the instruction where they ended") {
  Twins twins;
  enter_long(twins);
  twins.put(kCode, busy_loop(1'000'000));
  // The handler counts in memory.
  twins.put(0x20000, code64(0x20000, [](Assembler& a) {
    a.inc(qword_ptr(rbx, 64));
    a.cli();
    a.iretq();
  }));
  twins.both([](TestCpu& test) {
    test.set_idt64(0x20, TestCpu::kCode64, 0x20000, 14);
    test.state().system_flags |= rflags::IF;
  });
  for (unsigned i = 0; i < 100; ++i) {
    REQUIRE(twins.run(500 + i * 7) == ExitReason::BudgetSpent);
    twins.both([](TestCpu& test) { test.cpu.set_intr(true); });
    REQUIRE(twins.run(2) == ExitReason::BudgetSpent);
    twins.both([](TestCpu& test) { test.cpu.set_intr(false); });
    CHECK_SAME(twins);
  }
  CHECK(twins.subject.test.environment.acknowledged == 100);
}

TEST_CASE("translator: the interrupt flag changed and pushed by translated code") {
  Twins twins;
  enter_long(twins);
  twins.put(kCode, code64(kCode, [](Assembler& a) {
    const asmjit::Label top = a.newLabel();
    a.bind(top);
    a.add(eax, 0x7fff'ff31);
    a.pushfq();
    a.pop(rcx);
    a.xor_(r14, rcx);
    a.rol(r14, 7);
    a.cli();
    a.pushfq();
    a.add(ptr(rsp), rdi);
    a.pop(rcx);
    a.xor_(r15, rcx);
    a.sti();
    a.setc(dl);
    a.add(r13, rdx);
    a.swapgs();
    a.mov(r8, ptr(rbx));
    a.sti();
    a.push(fs);
    a.pop(rdi);
    a.jmp(top);
  }));
  twins.put(0x20000, code64(0x20000, [](Assembler& a) {
    a.inc(qword_ptr(rbx, 64));
    a.iretq();
  }));
  twins.both([](TestCpu& test) {
    test.set_idt64(0x20, TestCpu::kCode64, 0x20000, 14);
    test.state().kernel_gs_base = 0x1234'5678;
  });
  for (unsigned i = 0; i < 300; ++i) {
    // An interrupt waits at any instruction, also where the guest does not want one.
    REQUIRE(twins.run(70 + i % 41) == ExitReason::BudgetSpent);
    twins.both([](TestCpu& test) { test.cpu.set_intr(true); });
    for (unsigned step = 0; step < 12 && twins.subject.test.environment.acknowledged == i; ++step) {
      REQUIRE(twins.run(1 + i % 3) == ExitReason::BudgetSpent);
      CHECK_SAME(twins);
    }
    twins.both([](TestCpu& test) { test.cpu.set_intr(false); });
    CHECK_SAME(twins);
  }
  CHECK(twins.subject.test.environment.acknowledged > 100);
}

TEST_CASE("translator: blocks are translated when they have run as often as was asked for") {
  TranslatorOptions options = eager();
  options.threshold = 4;
  Translated machine(options);
  machine.test.enter_long();
  // A block that jumps to itself.
  machine.test.put(kCode, {0xeb, 0xfe});
  u64 after_one = 0;
  for (unsigned i = 0; i < 20 && machine.engine->statistics().blocks == 0; ++i) {
    run_exactly(machine.test.cpu, *machine.engine, 1);
    ++after_one;
  }
  CHECK(after_one == 4);
}

TEST_CASE("translator: a guest that calls deeper than the host's stack reaches gets back all the same") {
  Twins twins;
  enter_long(twins);
  twins.put(kCode, code64(kCode, [](Assembler& a) {
    const asmjit::Label function = a.newLabel(), leaf = a.newLabel(), top = a.newLabel();
    a.mov(esp, 0x3ff000);
    a.mov(ebx, 3);
    a.bind(top);
    a.mov(ecx, 100'000);
    a.call(function);
    a.dec(ebx);
    a.jnz(top);
    a.hlt();
    a.bind(function);
    a.inc(rax);
    a.dec(ecx);
    a.jz(leaf);
    a.call(function);
    a.add(rdx, rax);
    a.bind(leaf);
    a.ret();
  }));
  CHECK(twins.run(10'000'000) == ExitReason::Halted);
  CHECK_SAME(twins);
  CHECK(twins.subject.test.state().gpr[RAX] == 300'000);
}

TEST_CASE("translator: returns to elsewhere than behind the call are followed") {
  Twins twins;
  enter_long(twins);
  twins.put(kCode, code64(kCode, [](Assembler& a) {
    const asmjit::Label function = a.newLabel(), top = a.newLabel(), other = a.newLabel(), pop = a.newLabel();
    a.mov(ecx, 3000);
    a.bind(top);
    a.lea(rbx, ptr(other));
    a.call(function);
    a.add(rax, 1);
    a.bind(other);
    a.add(rax, 2);
    a.call(pop);  // Never returned to.
    a.add(rax, 4);
    a.bind(pop);
    a.pop(rdx);
    a.lea(rbx, ptr(top, 7));  // A return without a call.
    a.dec(ecx);
    a.jnz(top);
    a.hlt();
    a.bind(function);
    a.test(ecx, 3);
    a.cmovz(rdx, ptr(rsp));
    a.cmovnz(rdx, rbx);
    a.mov(ptr(rsp), rdx);
    a.ret();
  }));
  CHECK(twins.run(1'000'000) == ExitReason::Halted);
  CHECK_SAME(twins);
}

/// Many small functions, called one after the other through a register.
constexpr u64 kFunctions = 0x200000;
constexpr u64 kFunctionBytes = 16;
void put_functions(Twins& twins, u64 count, unsigned passes) {
  std::vector<u8> functions(count * kFunctionBytes, 0x90);
  for (u64 i = 0; i < count; ++i) {
    // xor eax, i; rol eax, 3; ret
    const u8 code[] = {0x35, static_cast<u8>(i), static_cast<u8>(i >> 8), static_cast<u8>(i >> 16), 0, 0xc1, 0xc0, 3, 0xc3};
    std::copy(std::begin(code), std::end(code), functions.begin() + static_cast<ptrdiff_t>(i * kFunctionBytes));
  }
  twins.put(kFunctions, functions);
  twins.put(kCode, code64(kCode, [&](Assembler& a) {
    const asmjit::Label pass = a.newLabel(), next = a.newLabel();
    a.mov(ebp, passes);
    a.bind(pass);
    a.mov(ebx, kFunctions);
    a.mov(ecx, static_cast<u32>(count));
    a.bind(next);
    a.call(rbx);
    a.add(rbx, kFunctionBytes);
    a.dec(ecx);
    a.jnz(next);
    a.dec(ebp);
    a.jnz(pass);
    a.hlt();
  }));
}

TEST_CASE("translator: a cache that is much too small loses the oldest blocks and nothing else") {
  TranslatorOptions options = eager();
  options.cache_bytes = 0;
  Twins twins(options);
  enter_long(twins);
  constexpr u64 kCount = 30'000;
  put_functions(twins, kCount, 3);
  CHECK(twins.run(10'000'000) == ExitReason::Halted);
  CHECK_SAME(twins);
  const TranslatorStatistics& s = twins.statistics();
  CHECK(s.evicted > kCount);
  CHECK(s.blocks > 3 * kCount / 2);
  CHECK(s.live_blocks == s.blocks - s.evicted);
  CHECK(s.live_blocks > 1000);
  CHECK(s.flushes == 0);
}

TEST_CASE("translator: a flush at any moment costs translations and nothing else") {
  Twins twins;
  enter_long(twins);
  twins.put(kCode, busy_loop(1'000'000));
  for (unsigned i = 0; i < 200; ++i) {
    REQUIRE(twins.run(100 + i) == ExitReason::BudgetSpent);
    if (i % 3 == 0) {
      twins.flush();
      CHECK(twins.statistics().live_blocks == 0);
    }
    CHECK_SAME(twins);
  }
  CHECK(twins.statistics().flushes == 67);
}

TEST_CASE("translator: memory replaced behind its back is looked at again after a flush") {
  Twins twins;
  enter_long(twins);
  twins.put(kCode, code64(kCode, [](Assembler& a) {
    const asmjit::Label top = a.newLabel();
    a.bind(top);
    a.add(rax, 1);
    a.jmp(top);
  }));
  REQUIRE(twins.run(1000) == ExitReason::BudgetSpent);
  twins.both([](TestCpu& test) {
    u8* const host = test.pmap.resolve(PhysAddr(kCode));
    REQUIRE(host[3] == 1);
    host[3] = 16;
  });
  twins.flush();
  REQUIRE(twins.run(1000) == ExitReason::BudgetSpent);
  CHECK_SAME(twins);
  CHECK(twins.subject.test.state().gpr[RAX] == 500 + 500 * 16);
}

TEST_CASE("translator: listings say where each instruction's host code begins") {
  Translated machine;
  machine.test.enter_long();
  allow_vectors(machine.test);
  machine.test.memory.write_bytes(PhysAddr(kCode), busy_loop(100));
  u64 seen = 0, guest_instructions = 0, host_bytes = 0, guest_bytes = 0;
  machine.engine->set_listing_sink([&](const Listing& listing) {
    ++seen;
    host_bytes += listing.host.size();
    guest_instructions += listing.host_offsets.size();
    CHECK(listing.code_size == cpu::CodeSize::Bits64);
    CHECK(listing.physical == listing.guest_rip);
    REQUIRE(listing.guest.size() == listing.host_offsets.size());
    REQUIRE(!listing.guest.empty());
    u32 last = 0;
    for (const u32 offset : listing.host_offsets) {
      CHECK(offset >= last);
      CHECK(offset < listing.host.size());
      last = offset;
    }
    // What is shown is what is in memory, and what will run.
    u64 at = listing.physical;
    for (const cpu::Instruction& insn : listing.guest) {
      for (unsigned i = 0; i < insn.length; ++i) CHECK(insn.bytes[i] == machine.test.peek<u8>(at + i));
      at += insn.length;
    }
    guest_bytes += at - listing.physical;
    CHECK(std::memcmp(reinterpret_cast<const void*>(listing.host_address), listing.host.data(), listing.host.size()) == 0);
  });
  run_exactly(machine.test.cpu, *machine.engine, 10'000);
  const TranslatorStatistics& s = machine.engine->statistics();
  CHECK(seen > 5);
  CHECK(seen == s.blocks);
  CHECK(guest_instructions == s.guest_instructions);
  CHECK(guest_bytes == s.guest_bytes);
  CHECK(host_bytes == s.host_bytes);
  machine.engine->set_listing_sink({});
  machine.engine->flush();
  machine.test.state().halted = false;
  machine.test.state().rip() = kCode;
  run_exactly(machine.test.cpu, *machine.engine, 1000);
  CHECK(s.blocks > seen);
}

TEST_CASE("translator: the blocks at an address are those that cover it") {
  Translated machine;
  machine.test.enter_long();
  allow_vectors(machine.test);
  machine.test.memory.write_bytes(PhysAddr(kCode), busy_loop(100));
  std::vector<std::pair<u64, u64>> blocks;  // First byte, end.
  machine.engine->set_listing_sink([&](const Listing& listing) {
    u64 end = listing.physical;
    for (const cpu::Instruction& insn : listing.guest) end += insn.length;
    blocks.push_back({listing.physical, end});
  });
  run_exactly(machine.test.cpu, *machine.engine, 10'000);
  for (u64 at = kCode; at < kCode + 100; ++at) {
    std::multiset<u64> expected, found;
    for (const auto& [first, end] : blocks) {
      if (at >= first && at < end) expected.insert(first);
    }
    machine.engine->for_each_block_at(LinearAddr(at), [&](const Listing& listing) {
      found.insert(listing.physical);
      CHECK(listing.guest.size() == listing.host_offsets.size());
    });
    CAPTURE(at);
    CHECK(found == expected);
  }
}

TEST_CASE("translator: what was counted adds up") {
  Twins twins;
  enter_long(twins);
  put_functions(twins, 2000, 2);
  u64 dead = 0;
  CHECK(twins.run(1'000'000) == ExitReason::Halted);
  const TranslatorStatistics before = twins.statistics();
  CHECK(before.live_blocks == before.blocks);
  CHECK(before.lookups >= 2000);
  CHECK(before.callouts == 1);
  CHECK(before.callouts_by_mnemonic[ZYDIS_MNEMONIC_HLT] == 1);
  CHECK(before.entries >= before.lookups);
  CHECK(before.guest_instructions >= 3 * 2000);
  CHECK(before.host_bytes > before.guest_bytes);
  for (u64 i = 0; i < 100; ++i) {
    twins.both([&](TestCpu& test) { test.poke<u8>(kFunctions + i * kFunctionBytes + 1, 0x55); });
    ++dead;
  }
  CHECK(twins.statistics().invalidated == dead);
  CHECK(twins.statistics().live_blocks == before.live_blocks - dead);
  CHECK(twins.statistics().evicted == 0);
}

TEST_CASE("translator: two in one process do not notice each other") {
  Twins first, second;
  enter_long(first);
  enter_long(second);
  first.put(kCode, busy_loop(1'000'000));
  second.put(kCode, code64(kCode, [](Assembler& a) {
    const asmjit::Label top = a.newLabel();
    a.mov(ebx, 0x200000);
    a.fld1();
    a.bind(top);
    a.fld1();
    a.faddp(st1);
    a.fst(qword_ptr(rbx));
    a.addsd(xmm1, ptr(rbx));
    a.mov(ptr(rbx, rcx, 3, 64), rcx);
    a.inc(cl);
    a.jmp(top);
  }));
  for (unsigned i = 0; i < 100; ++i) {
    REQUIRE(first.run(200 + i) == ExitReason::BudgetSpent);
    REQUIRE(second.run(300 - i) == ExitReason::BudgetSpent);
    CHECK_SAME(first);
    CHECK_SAME(second);
    if (i == 50) first.subject.engine->flush();
  }
}

TEST_CASE("translator: more modes than there are tables for, in turn") {
  Twins twins;
  twins.both([](TestCpu& test) {
    test.enter_protected();
    allow_vectors(test);
  });
  constexpr u64 kFunction = 0x18000;
  twins.put(kFunction, code32(kFunction, [](Assembler& a) {
    a.add(ecx, 3);
    a.ret();
  }));
  twins.put(kCode, code32(kCode, [](Assembler& a) {
    const asmjit::Label top = a.newLabel();
    a.bind(top);
    Mem other = ptr(ebx, 8);
    other.setSegment(es);
    a.inc(dword_ptr(ebx));
    a.add(other, eax);
    a.mov(eax, static_cast<u32>(kFunction));
    a.call(eax);
    a.jmp(top);
  }));
  twins.both([](TestCpu& test) { test.state().gpr[RBX] = 0x200000; });
  std::set<u32> keys;
  for (unsigned turn = 0; turn < 64; ++turn) {
    CAPTURE(turn);
    twins.both([&](TestCpu& test) {
      const auto based = [&](unsigned bit) { return TestCpu::segment(0x10, (turn >> bit & 1) != 0 ? 0x1000 : 0, 0xffff'ffff, 0xc93); };
      test.state().segment(Seg::DS) = based(0);
      test.state().segment(Seg::ES) = based(1);
      test.state().system_flags = with_bit(test.state().system_flags, 18, (turn >> 2 & 1) != 0);  // AC
      test.state().cr4 |= cr4::SMAP;
      test.state().x87.fcw = (turn >> 3 & 1) != 0 ? 0x37f : 0x37e;
      test.state().x87.mxcsr = (turn >> 4 & 1) != 0 ? 0x1f80 : 0x1f00;
      test.cpu.update_paging();
      test.cpu.update_mode();
    });
    keys.insert(Mode::of(twins.subject.test.cpu).key());
    REQUIRE(twins.run(500) == ExitReason::BudgetSpent);
    CHECK_SAME(twins);
  }
  CHECK(keys.size() == 32);
  CHECK(keys.size() > cpu::EngineArea::kTables);
  CHECK(twins.statistics().flushes <= 1);
  CHECK(twins.statistics().entries > 64);
}

}  // namespace
}  // namespace doppel::jit
