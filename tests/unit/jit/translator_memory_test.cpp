// Code that changes, code seen at several addresses, accesses that fault.

#include "tests/unit/jit/twins.h"

namespace doppel::jit {
namespace {

using namespace asmjit::x86;
using cpu::ExitReason;
using test::TestCpu;

constexpr u64 kCode = TestCpu::kCode;
/// Linear, for a second view of the first 2 MiB.
constexpr u64 kAlias = 0x600000;
constexpr u64 kHandler = 0x20000;

void enter_long(Twins& twins) {
  twins.both([](TestCpu& test) {
    test.enter_long();
    allow_vectors(test);
    test.poke<u64>(0x102018, 0x87);
  });
}

TEST_CASE("translator: code patched by other code is the new code from the next instruction on") {
  Twins twins;
  enter_long(twins);
  twins.put(kCode, code64(kCode, [](Assembler& a) {
    const asmjit::Label top = a.newLabel(), patched = a.newLabel();
    a.mov(ecx, 2000);
    a.lea(rbx, ptr(patched, 1));
    a.bind(top);
    a.mov(ptr(rbx), ecx);  // The immediate of the instruction after the next.
    a.nop();
    a.bind(patched);
    a.mov(edx, 0x11111111);
    a.add(rax, rdx);
    a.dec(ecx);
    a.jnz(top);
    a.hlt();
  }));
  CHECK(twins.run(100'000) == ExitReason::Halted);
  CHECK_SAME(twins);
  CHECK(twins.subject.test.state().gpr[RAX] == 2000ull * 2001 / 2);
  CHECK(twins.statistics().invalidated > 0);
}

TEST_CASE("translator: code patched from another page and through another address") {
  Twins twins;
  enter_long(twins);
  twins.put(0x18000, code64(0x18000, [](Assembler& a) {
    a.mov(edx, 0x11111111);
    a.add(rax, rdx);
    a.ret();
  }));
  twins.put(kCode, code64(kCode, [](Assembler& a) {
    const asmjit::Label top = a.newLabel();
    a.mov(ecx, 1000);
    a.mov(ebx, static_cast<u32>(kAlias + 0x18001));
    a.mov(esi, 0x18000);
    a.bind(top);
    a.call(rsi);
    a.call(rsi);
    a.mov(ptr(rbx), ecx);
    a.call(rsi);
    a.dec(ecx);
    a.jnz(top);
    a.hlt();
  }));
  CHECK(twins.run(100'000) == ExitReason::Halted);
  CHECK_SAME(twins);
  CHECK(twins.statistics().invalidated >= 999);
}

TEST_CASE("translator: data in a line beside code leaves the code alone") {
  Twins twins;
  enter_long(twins);
  const std::vector<u8> code = code64(kCode, [](Assembler& a) {
    const asmjit::Label top = a.newLabel();
    a.mov(ecx, 1000);
    a.mov(ebx, kCode + 0x800);
    a.bind(top);
    a.inc(dword_ptr(rbx));
    a.dec(ecx);
    a.jnz(top);
    a.hlt();
  });
  twins.put(kCode, code);
  CHECK(twins.run(100'000) == ExitReason::Halted);
  CHECK_SAME(twins);
  CHECK(twins.statistics().invalidated == 0);
  CHECK(twins.statistics().live_blocks == twins.statistics().blocks);
}

TEST_CASE("translator: stores beside the bytes of code neither end a block nor leave it") {
  Twins twins;
  enter_long(twins);
  twins.put(kCode, code64(kCode, [](Assembler& a) {
    const asmjit::Label top = a.newLabel(), data = a.newLabel();
    a.mov(ecx, 500);
    a.lea(rbx, ptr(data));
    a.bind(top);
    a.mov(ptr(rbx), rcx);
    a.inc(dword_ptr(rbx, 16));
    a.push(rcx);
    a.pop(ptr(rbx, 8));
    a.dec(ecx);
    a.jnz(top);
    a.hlt();
    a.bind(data);  // In the line of the last instructions.
    a.embedUInt64(0, 3);
  }));
  CHECK(twins.run(100'000) == ExitReason::Halted);
  CHECK_SAME(twins);
  CHECK(twins.statistics().invalidated == 0);
  CHECK(twins.statistics().misses > 500);
  CHECK(twins.statistics().slow_accesses < 20);
}

TEST_CASE("translator: one page of code at two addresses counts RIP from each") {
  Twins twins;
  enter_long(twins);
  twins.put(0x18000, code64(0x18000, [](Assembler& a) {
    const asmjit::Label here = a.newLabel(), over = a.newLabel();
    a.bind(here);
    a.lea(rdx, ptr(here));
    a.add(rax, rdx);
    a.jmp(over);
    a.nop();
    a.bind(over);
    a.add(rbp, ptr(here));
    a.ret();
  }));
  twins.put(kCode, code64(kCode, [](Assembler& a) {
    const asmjit::Label top = a.newLabel();
    a.mov(ecx, 1000);
    a.mov(esi, 0x18000);
    a.mov(edi, static_cast<u32>(kAlias + 0x18000));
    a.bind(top);
    a.call(rsi);
    a.call(rdi);
    a.call(rdi);
    a.dec(ecx);
    a.jnz(top);
    a.hlt();
  }));
  CHECK(twins.run(100'000) == ExitReason::Halted);
  CHECK_SAME(twins);
  CHECK(twins.subject.test.state().gpr[RAX] == 1000 * (3 * 0x18000 + 2 * kAlias));
  CHECK(twins.statistics().interpreted_blocks < 200);
}

TEST_CASE("translator: another page behind the same address is another page's code") {
  Twins twins;
  enter_long(twins);
  // 4 KiB pages for linear 0x400000 on; tables at 0x103000.
  twins.both([](TestCpu& test) {
    test.poke<u64>(0x102010, 0x103007);
    test.poke<u64>(0x103000, 0x18007);
    test.poke<u64>(0x103008, 0x19007);
  });
  const auto function = [](u32 value) {
    return code64(0x400000, [&](Assembler& a) {
      a.add(rax, static_cast<i32>(value));
      a.ret();
    });
  };
  twins.put(0x18000, function(1));
  twins.put(0x1a000, function(0x1000));
  twins.put(kCode, code64(kCode, [](Assembler& a) {
    const asmjit::Label top = a.newLabel();
    a.mov(ecx, 500);
    a.mov(ebx, 0x103000);
    a.mov(esi, 0x400000);
    a.bind(top);
    a.call(static_cast<u64>(0x400000));
    a.call(rsi);
    a.xor_(dword_ptr(rbx), 0x18000 ^ 0x1a000);
    a.invlpg(ptr(rsi));
    a.call(static_cast<u64>(0x400000));
    a.call(rsi);
    a.dec(ecx);
    a.jnz(top);
    a.hlt();
  }));
  CHECK(twins.run(100'000) == ExitReason::Halted);
  CHECK_SAME(twins);
  CHECK(twins.subject.test.state().gpr[RAX] == 1000 * 0x1001);
  CHECK(twins.statistics().blocks < 40);  // Both are kept.
}

TEST_CASE("translator: an instruction in two pages follows changes of either") {
  Twins twins;
  enter_long(twins);
  // add eax, imm32 begins three bytes before the end of a page.
  twins.put(0x18ffa, {0x90, 0x90, 0x90, 0x05, 0x01, 0x00, 0x00, 0x00, 0xc3});
  twins.put(kCode, code64(kCode, [](Assembler& a) {
    const asmjit::Label top = a.newLabel();
    a.mov(ecx, 1000);
    a.mov(esi, 0x18ffa);
    a.bind(top);
    a.call(rsi);
    a.test(cl, 7);
    const asmjit::Label skip = a.newLabel();
    a.jnz(skip);
    a.mov(ptr(rsi, 6), cl);
    a.mov(ptr(rsi, 4), ch);
    a.bind(skip);
    a.dec(ecx);
    a.jnz(top);
    a.hlt();
  }));
  CHECK(twins.run(100'000) == ExitReason::Halted);
  CHECK_SAME(twins);
  CHECK(twins.statistics().invalidated > 100);
}

TEST_CASE("translator: an instruction in two pages follows what is behind the second, too") {
  Twins twins;
  enter_long(twins);
  twins.both([](TestCpu& test) {
    test.poke<u64>(0x102010, 0x103007);
    test.poke<u64>(0x103000, 0x18007);
    test.poke<u64>(0x103008, 0x19007);
  });
  // jmp; add eax, imm32, of which one byte stands in the first page; ret. The jump is a link within a page.
  twins.put(0x18f80, {0xeb, 0x7c});
  twins.put(0x18ffe, {0x05, 0x01});
  twins.put(0x19000, {0x00, 0x00, 0x00, 0xc3});
  twins.put(0x1a000, {0x10, 0x00, 0x00, 0xc3});
  twins.put(kCode, code64(kCode, [](Assembler& a) {
    const asmjit::Label top = a.newLabel();
    a.mov(ecx, 500);
    a.mov(ebx, 0x103008);
    a.mov(esi, 0x401000);
    a.bind(top);
    a.call(static_cast<u64>(0x400f80));
    a.xor_(dword_ptr(rbx), 0x19000 ^ 0x1a000);
    a.invlpg(ptr(rsi));
    a.call(static_cast<u64>(0x400f80));
    a.dec(ecx);
    a.jnz(top);
    a.hlt();
  }));
  CHECK(twins.run(100'000) == ExitReason::Halted);
  CHECK_SAME(twins);
  CHECK(twins.subject.test.state().gpr[RAX] == 500 * (0x001 + 0x1001));
}

TEST_CASE("translator: a handler called from a block may write over the rest of it") {
  Twins twins;
  enter_long(twins);
  twins.put(kCode, code64(kCode, [](Assembler& a) {
    const asmjit::Label top = a.newLabel(), patched = a.newLabel();
    a.mov(esi, 500);
    a.bind(top);
    a.lea(rdi, ptr(patched, 1));
    a.mov(eax, esi);
    a.mov(ecx, 1);
    a.rep().stosd();
    a.bind(patched);
    a.mov(edx, 0x11111111);
    a.add(rbp, rdx);
    a.dec(esi);
    a.jnz(top);
    a.hlt();
  }));
  CHECK(twins.run(100'000) == ExitReason::Halted);
  CHECK_SAME(twins);
  CHECK(twins.subject.test.state().gpr[RBP] == 500 * 501 / 2);
  CHECK(twins.statistics().callouts > 100);
}

/// The handler of #PF and #GP notes what it finds and makes RDX lead to memory again.
void put_handler(Twins& twins) {
  twins.put(kHandler, code64(kHandler, [](Assembler& a) {
    a.mov(r15, ptr(rsp, 24));   // RFLAGS
    a.ror(r14, 7);
    a.xor_(r14, r15);
    a.add(r14, ptr(rsp, 8));    // RIP
    a.add(r14, ptr(rsp, 32));   // RSP
    a.mov(edx, 0x200000);
    a.add(rsp, 8);
    a.iretq();
  }));
  twins.both([](TestCpu& test) {
    test.set_idt64(13, TestCpu::kCode64, kHandler, 14);
    test.set_idt64(14, TestCpu::kCode64, kHandler, 14);
  });
}

TEST_CASE("translator: a faulting access has everything as it was before the instruction") {
  for (const u64 bad : {u64{0x800000}, u64{0x7fff'ffff'f000}, u64{0x8000'0000'0000}, u64{0x8000'0000'0ff8},
                        u64{0x8000'0000'0000'0010},
                        u64{0xdead'0000'0000'0000}}) {
    CAPTURE(bad);
    Twins twins;
    enter_long(twins);
    put_handler(twins);
    twins.put(kCode, code64(kCode, [&](Assembler& a) {
      const asmjit::Label top = a.newLabel(), skip = a.newLabel();
      a.mov(ecx, 400);
      a.mov(rbx, asmjit::imm(bad));
      a.mov(edx, 0x200000);
      a.bind(top);
      a.test(cl, 3);
      a.jnz(skip);
      a.mov(rdx, rbx);
      a.bind(skip);
      a.add(rax, rcx);          // Flags that can be had again,
      a.mov(rsi, ptr(rdx, 8));  // and a check that may use them.
      a.cmp(rsi, rax);
      a.cmovb(rdi, rcx);
      a.add(ptr(rdx, 8), rax);
      a.sbb(rdi, 0);
      a.movups(xmm1, ptr(rdx, 16));
      a.shl(rdi, 3);
      a.push(qword_ptr(rdx, 8));
      a.pop(r12);
      a.dec(ecx);
      a.jnz(top);
      a.hlt();
    }));
    CHECK(twins.run(100'000) == ExitReason::Halted);
    CHECK_SAME(twins);
    CHECK(twins.subject.test.state().gpr[R14] != 0);
    CHECK(twins.statistics().entries > 10);
  }
}

TEST_CASE("translator: faults show flags whose operands the next load overwrites, or has overwritten") {
  for (const u64 bad : {u64{0x800000}, u64{0xdead'0000'0000'0000}}) {
    CAPTURE(bad);
    Twins twins;
    enter_long(twins);
    put_handler(twins);
    twins.put(kCode, code64(kCode, [&](Assembler& a) {
      const asmjit::Label top = a.newLabel();
      a.mov(ecx, 400);
      a.mov(rbx, asmjit::imm(bad));
      a.mov(esi, 0x200000);
      a.bind(top);
      a.mov(r8, rsi);
      a.test(cl, 3);
      a.cmovz(r8, rbx);
      a.mov(rdx, r8);
      a.mov(eax, ecx);
      a.test(eax, 0x8000'0000);  // Leaves other flags than any check.
      a.mov(rax, ptr(rdx, 8));   // What sets them again is still there,
      a.test(rax, rax);
      a.mov(rdx, r8);
      a.mov(eax, ecx);
      a.test(eax, 0x8000'0000);
      a.mov(rax, ptr(rsi, 16));  // and gone
      a.mov(rdi, ptr(rdx, 24));  // when this one fails.
      a.test(rdi, rdi);
      a.dec(ecx);
      a.jnz(top);
      a.hlt();
    }));
    CHECK(twins.run(100'000) == ExitReason::Halted);
    CHECK_SAME(twins);
    CHECK(twins.subject.test.state().gpr[R14] != 0);
  }
}

TEST_CASE("translator: branches to addresses that are not canonical fault where they stand") {
  // Their handler goes on at R13.
  for (unsigned kind = 0; kind < 4; ++kind) {
    CAPTURE(kind);
    Twins twins;
    enter_long(twins);
    twins.put(kHandler, code64(kHandler, [](Assembler& a) {
      a.ror(r14, 7);
      a.add(r14, ptr(rsp, 8));   // RIP
      a.add(r14, ptr(rsp, 32));  // RSP
      a.xor_(r14, ptr(rsp, 24));
      a.mov(ptr(rsp, 8), r13);
      a.mov(ptr(rsp, 32), r12);
      a.add(rsp, 8);
      a.iretq();
    }));
    twins.both([](TestCpu& test) { test.set_idt64(13, TestCpu::kCode64, kHandler, 14); });
    twins.put(kCode, code64(kCode, [&](Assembler& a) {
      const asmjit::Label top = a.newLabel(), good = a.newLabel(), on = a.newLabel();
      a.mov(ecx, 800);
      a.mov(rbx, asmjit::imm(0x8000'0000'0000));
      a.mov(r12, rsp);
      a.lea(r13, ptr(on));
      a.lea(rbp, ptr(good));
      a.bind(top);
      a.mov(rsi, rbp);
      a.test(cl, 7);
      a.cmovz(rsi, rbx);
      a.add(rax, rcx);
      switch (kind) {
        case 0: a.jmp(rsi); break;
        case 1: a.call(rsi); break;
        case 2: a.push(rsi); a.ret(); break;
        default: a.push(rax); a.push(rsi); a.ret(8); break;
      }
      a.bind(good);
      a.add(rdi, 1);
      a.mov(rsp, r12);
      a.bind(on);
      a.dec(ecx);
      a.jnz(top);
      a.hlt();
    }));
    CHECK(twins.run(100'000) == ExitReason::Halted);
    CHECK_SAME(twins);
    CHECK(twins.subject.test.state().gpr[RDI] == 700);
  }
}

TEST_CASE("translator: accesses across pages, and groups that lie across them") {
  Twins twins;
  enter_long(twins);
  twins.put(kCode, code64(kCode, [](Assembler& a) {
    const asmjit::Label top = a.newLabel();
    a.mov(ecx, 3000);
    a.bind(top);
    a.mov(ebx, ecx);
    a.and_(ebx, 0xfff);
    a.add(ebx, 0x200f00);
    a.add(rax, ptr(rbx));
    a.mov(ptr(rbx, 40), rax);
    a.movups(xmm0, ptr(rbx, 24));
    a.movups(ptr(rbx, 80), xmm0);
    a.adc(dword_ptr(rbx, 121), 7);
    a.dec(ecx);
    a.jnz(top);
    a.hlt();
  }));
  CHECK(twins.run(100'000) == ExitReason::Halted);
  CHECK_SAME(twins);
}

TEST_CASE("translator: a guest's division error and misaligned vector are the guest's") {
  Twins twins;
  enter_long(twins);
  put_handler(twins);
  twins.put(0x21000, code64(0x21000, [](Assembler& a) {
    a.add(r14, ptr(rsp));
    a.add(r14, rax);
    a.mov(ebx, 5);
    a.xor_(edi, edi);
    a.iretq();
  }));
  twins.both([](TestCpu& test) { test.set_idt64(0, TestCpu::kCode64, 0x21000, 14); });
  twins.put(kCode, code64(kCode, [](Assembler& a) {
    const asmjit::Label top = a.newLabel();
    a.mov(ebp, 500);
    a.bind(top);
    a.mov(ebx, ebp);
    a.and_(ebx, 3);
    a.mov(eax, ebp);
    a.mov(edi, 0);
    a.xchg(rdx, rdi);
    a.stc();
    a.div(ebx);               // By 0, every fourth time.
    a.adc(rsi, rax);
    a.lea(rdx, ptr(rbp, 0x200000));
    a.movaps(xmm1, ptr(rdx));  // Mostly misaligned.
    a.paddd(xmm2, xmm1);
    a.movaps(ptr(rdx, 32), xmm2);
    a.dec(ebp);
    a.jnz(top);
    a.hlt();
  }));
  CHECK(twins.run(100'000) == ExitReason::Halted);
  CHECK_SAME(twins);
}

TEST_CASE("translator: store rights follow the guest's tables") {
  Twins twins;
  enter_long(twins);
  put_handler(twins);
  twins.both([](TestCpu& test) {
    test.poke<u64>(0x102010, 0x103007);
    test.poke<u64>(0x103000, 0x30007);
  });
  twins.put(kCode, code64(kCode, [](Assembler& a) {
    const asmjit::Label top = a.newLabel();
    a.mov(ecx, 400);
    a.mov(esi, 0x103000);
    a.mov(edi, 0x400000);
    a.bind(top);
    a.btc(dword_ptr(rsi), 1);  // Writable, then not.
    a.invlpg(ptr(rdi));
    a.mov(rdx, rdi);
    a.add(rax, ptr(rdx, 8));
    a.mov(ptr(rdx, 8), rcx);
    a.mov(ebp, ptr(rsi));      // Accessed and dirty.
    a.add(rax, rbp);
    a.and_(dword_ptr(rsi), ~0x60);
    a.invlpg(ptr(rdi));
    a.dec(ecx);
    a.jnz(top);
    a.hlt();
  }));
  CHECK(twins.run(100'000) == ExitReason::Halted);
  CHECK_SAME(twins);
}

}  // namespace
}  // namespace doppel::jit
