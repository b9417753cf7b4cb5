// What kernels do on each way in and out, without the monitor: on both engines.

#include <Zydis/Zydis.h>

#include "tests/unit/jit/traced.h"

namespace doppel::jit {
namespace {

using namespace asmjit::x86;
using cpu::ExitReason;
using test::TestCpu;

constexpr u64 kHandler = 0x20000;
/// The kernel's pages are those below 2 MiB; this is the user's.
constexpr u64 kUser = 0x20'1000;

void allow_smap(Twins& twins) {
  twins.both([](TestCpu& test) {
    test.enter_long();
    // Two pages of 2 MiB: the first is the supervisor's.
    test.poke<u64>(0x102000, 0x000083);
    test.state().cr4 |= cr4::SMAP | cr4::FSGSBASE | cr4::PKE;
    test.cpu.update_paging();
    test.cpu.update_mode();
    test.state().gpr[RBX] = 0x18'0000;
    test.state().gpr[RBP] = kUser;
    test.cpu.mmu.flush_all();
  });
}

/// #PF and #GP: notes what the frame says, makes RBP lead to memory again, sets AC, and returns.
void put_fault_handler(Twins& twins) {
  twins.put(kHandler, code64(kHandler, [](Assembler& a) {
    for (int at = 0; at < 5; ++at) {
      a.ror(r14, 7);
      a.mov(r15, ptr(rsp, at * 8));
      a.add(r14, r15);
    }
    a.mov(ebp, static_cast<u32>(kUser));
    a.or_(dword_ptr(rsp, 24), static_cast<u32>(rflags::AC));
    a.add(rsp, 8);
    a.iretq();
  }));
  twins.both([](TestCpu& test) {
    test.set_idt64(13, TestCpu::kCode64, kHandler, 14);
    test.set_idt64(14, TestCpu::kCode64, kHandler, 14);
  });
}

/// In stretches first, so that runs end everywhere; then until it halts.
void run_out(Twins& twins) {
  for (u64 budget = 1; budget < 90; ++budget) {
    CAPTURE(budget);
    if (twins.run(budget) != ExitReason::BudgetSpent) break;
    CHECK_SAME(twins);
  }
  CHECK(twins.run(1'000'000) == ExitReason::Halted);
  CHECK_SAME(twins);
}

template <class Write>
void run_loop(Twins& twins, Write write, unsigned rounds = 500) {
  twins.put(kCode, code64(kCode, [&](Assembler& a) {
    const asmjit::Label top = a.newLabel();
    a.mov(r13d, rounds);
    a.bind(top);
    write(a);
    a.dec(r13d);
    a.jnz(top);
    a.hlt();
  }));
  run_out(twins);
}

u64 callouts_of(const Twins& twins, u16 mnemonic) { return twins.statistics().callouts_by_mnemonic[mnemonic]; }

TEST_CASE("translator: the user's memory between STAC and CLAC") {
  for (const bool traces : {false, true}) {
    CAPTURE(traces);
    Twins twins(traces ? tracing() : eager());
    allow_smap(twins);
    put_fault_handler(twins);
    run_loop(twins, [](Assembler& a) {
      a.add(ptr(rbx), r13);
      a.stac();
      a.mov(rax, ptr(rbp, 8));
      a.add(rax, ptr(rbx));
      a.stac();
      a.mov(ptr(rbp, 8), rax);
      a.adc(rax, 0);
      a.clac();
      a.clac();
      a.push(rax);
      a.pop(rcx);
    });
    CHECK(callouts_of(twins, ZYDIS_MNEMONIC_STAC) < 20);
    CHECK(callouts_of(twins, ZYDIS_MNEMONIC_CLAC) < 20);
    CHECK(twins.subject.test.state().gpr[R14] == 0);
  }
}

TEST_CASE("translator: faults show AC as STAC and CLAC left it") {
  for (const bool traces : {false, true}) {
    CAPTURE(traces);
    Twins twins(traces ? tracing() : eager());
    allow_smap(twins);
    put_fault_handler(twins);
    run_loop(twins, [](Assembler& a) {
      const asmjit::Label skip = a.newLabel();
      a.test(r13b, 7);
      a.jnz(skip);
      a.mov(ebp, 0x80'0000);  // Nothing is there.
      a.bind(skip);
      a.cmp(r13b, 30);
      a.stac();
      a.mov(ptr(rbp, 16), rax);
      a.mov(ecx, 5);
      a.lea(rdi, ptr(rbp, 64));
      a.rep().stosb();
      a.clac();
      a.sbb(rax, r13);
      a.mov(rdx, ptr(rbp));  // Not without AC: #PF each time.
      a.add(rax, rdx);
    });
    CHECK(twins.subject.test.state().gpr[R14] != 0);
  }
}

TEST_CASE("translator: ways out between STAC and CLAC") {
  Twins twins(tracing());
  allow_smap(twins);
  put_fault_handler(twins);
  run_loop(twins, [](Assembler& a) {
    const asmjit::Label other = a.newLabel(), done = a.newLabel();
    a.stac();
    a.mov(rax, ptr(rbp, 24));
    a.test(r13d, 0x1c0);
    a.jz(other);
    a.add(ptr(rbp, 24), r13);
    a.clac();
    a.jmp(done);
    a.bind(other);
    a.xor_(ptr(rbp, 32), rax);
    a.clac();
    a.bind(done);
    a.inc(rdx);
  }, 3000);
  CHECK(twins.statistics().traces > 0);
  CHECK(twins.subject.test.state().gpr[R14] == 0);
}

TEST_CASE("translator: who looks at AC finds it") {
  Twins twins(tracing());
  allow_smap(twins);
  run_loop(twins, [](Assembler& a) {
    a.stac();
    a.pushfq();
    a.pop(rax);
    a.clac();
    a.pushfq();
    a.pop(rcx);
    a.add(rdx, rax);
    a.xor_(rdx, rcx);
    a.clac();
    a.mov(ptr(rbx), rdx);
    a.stac();
    a.mov(rdi, ptr(rbp));
    a.pushfq();
    a.popfq();
    a.clac();
  });
}

TEST_CASE("translator: bits of strings in memory") {
  for (const bool is_wide : {false, true}) {
    CAPTURE(is_wide);
    Twins twins(tracing());
    allow_smap(twins);
    put_fault_handler(twins);
    run_loop(twins, [&](Assembler& a) {
      const auto reg = [&](const Gp& one) { return is_wide ? Gp(one.r64()) : Gp(one.r32()); };
      const Mem far = is_wide ? qword_ptr(rbx, rdx, 2, 24) : dword_ptr(rbx, rdx, 2, 24);
      a.imul(rax, r13, 77);
      a.sub(rax, 20'000);
      a.mov(edx, r13d);
      a.and_(edx, 15);
      a.bt(far, reg(rax));
      a.adc(rcx, 0);
      a.bts(far, reg(rax));
      a.adc(rcx, rcx);
      a.mov(r10, rax);
      a.add(r10, 5);
      a.lock();
      a.btr(far, reg(r10));
      a.adc(rcx, 1);
      a.lock();
      a.btc(far, reg(rax));
      a.adc(rcx, 3);
    });
    CHECK(callouts_of(twins, ZYDIS_MNEMONIC_BTS) == 0);
    CHECK(callouts_of(twins, ZYDIS_MNEMONIC_BT) == 0);
  }
}

TEST_CASE("translator: a bit that is nowhere is a fault") {
  for (const i64 bit : {i64{0x4000'0000}, -i64{0x1000'0000}, i64{1} << 62}) {
    CAPTURE(bit);
    Twins twins;
    allow_smap(twins);
    twins.both([](TestCpu& test) {
      test.set_idt64(13, TestCpu::kCode64, kHandler, 14);
      test.set_idt64(14, TestCpu::kCode64, kHandler, 14);
    });
    twins.put(kHandler, {0xf4});
    run_loop(twins, [&](Assembler& a) {
      const asmjit::Label near = a.newLabel();
      a.mov(eax, 77);
      a.cmp(r13b, 7);
      a.jne(near);
      a.mov(rax, asmjit::imm(bit));
      a.bind(near);
      a.cmp(rax, rcx);
      a.bts(qword_ptr(rbx), rax);
      a.sbb(rdx, rcx);
    }, 250);
    CHECK(twins.subject.test.state().rip() == kHandler + 1);
  }
}

TEST_CASE("translator: exchanges of pairs") {
  Twins twins(tracing());
  allow_smap(twins);
  put_fault_handler(twins);
  run_loop(twins, [](Assembler& a) {
    a.mov(rsi, rbx);
    a.mov(ptr(rsi, 0x40), r13);
    a.mov(ptr(rsi, 0x48), r9);
    for (const bool is_wide : {false, true}) {
      for (const bool is_equal : {false, true}) {
        a.mov(rax, ptr(rsi, 0x40));
        a.mov(rdx, is_wide ? qword_ptr(rsi, 0x48) : qword_ptr(rsi, 0x44));
        if (!is_equal) a.inc(rdx);
        a.lea(rcx, ptr(rax, r13, 1));
        a.push(rbx);
        a.mov(rbx, r13);
        a.cmp(r13b, 99);
        a.lock();
        is_wide ? a.cmpxchg16b(ptr(rsi, 0x40)) : a.cmpxchg8b(ptr(rsi, 0x40));
        a.pop(rbx);
        a.sbb(r9, rax);
        a.adc(r9, rdx);
        a.setz(r10b);
        a.add(r9, r10);
      }
    }
  });
  CHECK(callouts_of(twins, ZYDIS_MNEMONIC_CMPXCHG8B) == 0);
  CHECK(callouts_of(twins, ZYDIS_MNEMONIC_CMPXCHG16B) == 0);
}

TEST_CASE("translator: a pair of 16 bytes that is not aligned") {
  Twins twins;
  allow_smap(twins);
  put_fault_handler(twins);
  // The handler goes back to the same instruction, with RBP where it is allowed.
  run_loop(twins, [](Assembler& a) {
    a.stac();
    a.lea(rbp, ptr(rbp, 8));
    a.cmp(r13b, 7);
    a.cmpxchg16b(ptr(rbp));
    a.adc(rax, r13);
    a.clac();
  }, 50);
  CHECK(twins.subject.test.state().gpr[R14] != 0);
}

TEST_CASE("translator: the time-stamp counter counts to the instruction") {
  Twins twins(tracing());
  allow_smap(twins);
  twins.both([](TestCpu& test) {
    test.environment.clock = &test.state();
    test.environment.counter = 0x1'2345'6789;
    test.state().tsc_aux = 0x1234;
  });
  run_loop(twins, [](Assembler& a) {
    a.rdtsc();
    a.shl(rdx, 32);
    a.or_(rdx, rax);
    a.rol(r9, 3);
    a.add(r9, rdx);
    a.rdtscp();
    a.add(r9, rax);
    a.add(r9, rdx);
    a.add(r9, rcx);
  });
  CHECK(callouts_of(twins, ZYDIS_MNEMONIC_RDTSC) == 0);
  CHECK(callouts_of(twins, ZYDIS_MNEMONIC_RDTSCP) == 0);
}

TEST_CASE("translator: a counter that does not count instructions is asked") {
  Twins twins;
  allow_smap(twins);
  twins.both([](TestCpu& test) { test.environment.counter = 0x77; });
  run_loop(twins, [](Assembler& a) { a.rdtsc(); }, 2000);
  CHECK(callouts_of(twins, ZYDIS_MNEMONIC_RDTSC) >= 20);
  CHECK(twins.subject.test.state().gpr[RAX] == 0x77);
}

TEST_CASE("translator: a counter that programs may not read") {
  Twins twins;
  twins.both([](TestCpu& test) {
    test.enter_long(3);
    test.environment.clock = &test.state();
    test.state().cr4 |= cr4::TSD;
    test.cpu.update_mode();
    test.set_idt64(13, TestCpu::kCode64, kHandler, 14);
  });
  twins.put(kHandler, {0xf4});
  twins.put(kCode, code64(kCode, [](Assembler& a) { a.rdtsc(); }));
  CHECK(twins.run(100) == ExitReason::Halted);
  CHECK_SAME(twins);
  CHECK(twins.subject.test.state().rip() == kHandler + 1);
}

TEST_CASE("translator: control registers, bases of segments and protection keys are read") {
  Twins twins(tracing());
  allow_smap(twins);
  twins.both([](TestCpu& test) {
    test.state().cr2 = 0x1'0000'0123;
    test.state().pkru = 0x5555'5550;
    test.cpu.update_paging();
    test.state().segment(Seg::FS).base = 0x1234'5678'9abc;
    test.state().segment(Seg::GS).base = 0x2'2345'6789;
  });
  run_loop(twins, [](Assembler& a) {
    for (const u32 number : {0u, 2u, 3u}) {
      a.mov(r11, asmjit::x86::cr(number));
      a.rol(r9, 5);
      a.add(r9, r11);
    }
    a.mov(ecx, 0);
    a.rdpkru();
    a.add(r9, rax);
    a.add(r9, rdx);
    a.rdfsbase(rdi);
    a.add(r9, rdi);
    a.rdgsbase(r12d);
    a.add(r9, r12);
  });
  for (const u16 mnemonic : {ZYDIS_MNEMONIC_MOV, ZYDIS_MNEMONIC_RDPKRU, ZYDIS_MNEMONIC_RDFSBASE, ZYDIS_MNEMONIC_RDGSBASE}) {
    CHECK(callouts_of(twins, mnemonic) == 0);
  }
}

TEST_CASE("translator: reads that CR4 does not allow, and a key that is none") {
  for (const unsigned what : {0u, 1u, 2u}) {
    CAPTURE(what);
    Twins twins;
    allow_smap(twins);
    twins.both([&](TestCpu& test) {
      if (what != 2) test.state().cr4 &= ~(cr4::FSGSBASE | cr4::PKE);
      test.cpu.update_paging();
      test.cpu.update_mode();
      test.set_idt64(6, TestCpu::kCode64, kHandler, 14);
      test.set_idt64(13, TestCpu::kCode64, kHandler + 1, 14);
      test.state().gpr[RCX] = what == 2 ? 1 : 0;
    });
    twins.put(kHandler, {0xf4, 0xf4});
    twins.put(kCode, code64(kCode, [&](Assembler& a) { what == 0 ? a.rdfsbase(rax) : a.rdpkru(); }));
    CHECK(twins.run(100) == ExitReason::Halted);
    CHECK_SAME(twins);
    CHECK(twins.subject.test.state().rip() == kHandler + (what == 2 ? 2 : 1));
  }
}

// ---- segments of 32-bit code --------------------------------------------------------------------

constexpr u16 kFirst = TestCpu::kFree, kSecond = TestCpu::kFree + 8, kThird = TestCpu::kFree + 16;

/// 32-bit code with three segments of its own. The handler of #GP and #NP adds the error code to EDI and halts.
void enter_segments(Twins& twins) {
  twins.both([](TestCpu& test) {
    test.enter_protected();
    test.set_gdt(kFirst, TestCpu::descriptor(0x20'0000, 0xfffff, 0xc93));
    test.set_gdt(kSecond, TestCpu::descriptor(0x21'0000, 0xfff, 0x493));
    test.set_gdt(kThird, TestCpu::descriptor(0x22'0000, 0xfffff, 0xc91));
    for (const u8 vector : {11, 13}) test.set_idt(vector, TestCpu::gate(TestCpu::kCode32, kHandler, 14));
  });
  twins.put(kHandler, code32(kHandler, [](Assembler& a) {
    a.add(edi, ptr(esp));
    a.hlt();
  }));
}

template <class Write>
void run_segments(Twins& twins, Write write, unsigned rounds = 300) {
  twins.put(kCode, code32(kCode, [&](Assembler& a) {
    const asmjit::Label top = a.newLabel();
    a.mov(ebp, rounds);
    a.bind(top);
    write(a);
    a.dec(ebp);
    a.jnz(top);
    a.hlt();
  }));
  run_out(twins);
}

Mem in(const SReg& segment, u32 offset) {
  Mem memory = dword_ptr(static_cast<u64>(offset));
  memory.setSegment(segment);
  return memory;
}

TEST_CASE("translator: 32-bit code loads the same segments again and again") {
  for (const bool traces : {false, true}) {
    CAPTURE(traces);
    Twins twins(traces ? tracing() : eager());
    enter_segments(twins);
    run_segments(twins, [](Assembler& a) {
      a.push(fs);
      a.push(es);
      a.mov(eax, TestCpu::kData32);
      a.cmp(ebp, 100);
      a.mov(ds, ax);
      a.mov(es, eax);
      a.adc(edx, 0);
      a.mov(eax, kFirst);
      a.mov(fs, eax);
      a.inc(in(fs, 0x10));
      a.mov(eax, kSecond + 3);
      a.mov(ptr(0x230000), ax);
      a.mov(eax, kSecond);
      a.mov(ptr(0x230004), ax);
      a.mov(gs, word_ptr(0x230004));
      a.add(in(gs, 0xffc), ebp);
      a.mov(eax, fs);
      a.add(edx, eax);
      a.pop(es);
      a.pop(fs);
      a.xor_(eax, eax);
      a.mov(gs, eax);
    });
    CHECK(callouts_of(twins, ZYDIS_MNEMONIC_MOV) < 30);
    CHECK(callouts_of(twins, ZYDIS_MNEMONIC_POP) < 30);
  }
}

TEST_CASE("translator: a descriptor that has changed is looked at anew") {
  Twins twins(tracing());
  enter_segments(twins);
  run_segments(twins, [](Assembler& a) {
    a.mov(eax, kFirst);
    a.mov(fs, eax);
    a.add(in(fs, 0x20), ebp);
    // Its base moves to and fro by 64 KiB; now and then it has not been accessed.
    a.test(ebp, 3);
    a.setz(cl);
    a.xor_(byte_ptr(static_cast<u64>(TestCpu::kGdt + kFirst + 4)), cl);
    a.test(ebp, 31);
    a.setz(cl);
    a.xor_(byte_ptr(static_cast<u64>(TestCpu::kGdt + kFirst + 5)), cl);
    a.mov(eax, kFirst);
    a.mov(es, eax);
    a.mov(fs, eax);
    a.add(in(es, 0x20), 1);
    a.add(in(fs, 0x20), ebp);
  });
}

TEST_CASE("translator: accesses beyond a segment's limit, in segments that are read-only or null") {
  struct Case {
    u16 selector;
    u32 offset;
    bool faults;
  };
  for (const Case& one : {Case{kFirst, 0xffff'fff0, false}, {kSecond, 0xffc, false}, {kSecond, 0xffd, true}, {kSecond, 0x1000, true},
                          {kSecond, 0xffff'fffc, true}, {kThird, 0x10, true}, {0, 0x10, true}}) {
    CAPTURE(one.selector);
    CAPTURE(one.offset);
    Twins twins;
    enter_segments(twins);
    // FS leads where the access is allowed, in the last round but one to the other.
    run_segments(twins, [&](Assembler& a) {
      const asmjit::Label same = a.newLabel();
      a.mov(eax, TestCpu::kData32);
      a.mov(ebx, 0x20'0000);
      a.cmp(ebp, 2);
      a.ja(same);
      a.mov(eax, one.selector);
      a.mov(ebx, one.offset);
      a.bind(same);
      a.mov(fs, eax);
      Mem memory = dword_ptr(ebx);
      memory.setSegment(fs);
      a.inc(memory);
      a.adc(edx, 3);
    }, 40);
    CHECK((twins.subject.test.state().rip() == kHandler + 4) == one.faults);
  }
}

TEST_CASE("translator: loads of segments that fault") {
  for (const u16 selector : {u16{0x400}, u16{TestCpu::kFree + 24}, u16{TestCpu::kTssSelector}, u16{TestCpu::kFree + 4}}) {
    CAPTURE(selector);
    Twins twins;
    enter_segments(twins);
    twins.both([](TestCpu& test) { test.set_gdt(TestCpu::kFree + 24, TestCpu::descriptor(0, 0xfffff, 0xc13)); });
    run_segments(twins, [&](Assembler& a) {
      const asmjit::Label same = a.newLabel();
      a.mov(eax, kFirst);
      a.cmp(ebp, 2);
      a.ja(same);
      a.mov(eax, selector);
      a.bind(same);
      a.push(eax);
      a.pop(fs);
      a.adc(edx, 3);
    }, 40);
    CHECK(twins.subject.test.state().gpr[RDI] != 0);
  }
}

TEST_CASE("translator: a load that is known at one level is not known at another") {
  Twins twins;
  enter_segments(twins);
  // CPL 3 may not load what CPL 0 has loaded before.
  twins.put(kCode, code32(kCode, [](Assembler& a) {
    const asmjit::Label top = a.newLabel();
    a.mov(eax, kFirst);
    a.mov(ecx, 20);
    a.bind(top);
    a.mov(fs, eax);
    a.dec(ecx);
    a.jnz(top);
    a.hlt();
  }));
  CHECK(twins.run(1000) == ExitReason::Halted);
  twins.both([](TestCpu& test) {
    test.enter_user32();
    test.set_gdt(kFirst, TestCpu::descriptor(0x20'0000, 0xfffff, 0xc93));
    test.set_idt(13, TestCpu::gate(TestCpu::kCode32, kHandler, 14));
    test.state().halted = false;
  });
  CHECK(twins.run(1000) == ExitReason::Halted);
  CHECK_SAME(twins);
  CHECK(twins.subject.test.state().gpr[RDI] == kFirst);
}

}  // namespace
}  // namespace doppel::jit
