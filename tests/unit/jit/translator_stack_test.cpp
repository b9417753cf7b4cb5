// The stack pointer that follows late; what faults and other ways out see of it, and of flags.

#include "tests/unit/jit/traced.h"

namespace doppel::jit {
namespace {

using namespace asmjit::x86;
using test::TestCpu;

constexpr u64 kHandler = 0x2'0000;
constexpr u64 kNowhere = 0x80'0000;
constexpr u64 kStack = kData + 0x1808;  // Addresses near it differ in parity.

/// Page faults are handled at `kHandler`: it adds up the RSP and the flags that they show, and lets RSI point to data.
void handle_faults(Traced& traced) {
  traced.twins.put(kHandler, code64(kHandler, [](Assembler& a) {
    a.add(r14, ptr(rsp, 24));
    a.rol(r15, 5);
    a.add(r15, ptr(rsp, 32));
    a.mov(esi, kData + 0x100);
    a.add(rsp, 8);
    a.iretq();
  }));
  traced.twins.both([](TestCpu& test) {
    test.set_idt64(14, TestCpu::kCode64, kHandler, 14);
    for (u64 i = 0; i < 8; ++i) test.poke<u64>(kData + 8 * i, i == 5 ? kNowhere : kData + 0x200 + 16 * i);
  });
}

/// RSI = an address that is bad once in eight rounds, which RCX counts.
void choose_address(Assembler& a) {
  a.inc(rcx);
  a.mov(edi, ecx);
  a.and_(edi, 7);
  a.mov(rsi, ptr(rbx, rdi, 3));
}

void check_faults(Traced& traced) {
  handle_faults(traced);
  traced.run_in_stretches();
  CHECK(traced.twins.subject.test.state().gpr[R15] != 0);
}

TEST_CASE("translator: whoever sees the stack pointer sees it as it is") {
  Traced traced([](Assembler& a) {
    const asmjit::Label top = a.newLabel();
    a.mov(rsp, kStack);
    a.bind(top);
    a.push(rax);
    a.push(rcx);
    a.sub(rsp, 0x18);  // Its flags are those of ADD before anybody looks.
    a.add(rax, 3);
    a.mov(ptr(rsp, 8), rcx);
    a.mov(rbp, rsp);
    a.lea(rdx, ptr(rsp, rcx, 1, 0x20));
    a.push(rsp);
    a.pop(rsi);
    a.add(rdi, rsi);
    a.push(qword_ptr(rsp, 8));
    a.pop(qword_ptr(rsp, 16));
    a.add(rdi, ptr(rsp, 16));
    a.push(0x1234);
    a.push(rbp);
    a.pop(rsp);
    a.push(sp);
    a.pop(r8w);
    a.lea(rsp, ptr(rsp, 0x18));
    a.add(rdx, ptr(rsp));
    a.pop(rcx);
    a.inc(rsp);  // CF is still that of ADD.
    a.adc(rdi, 1);
    a.add(rsp, 7);
    a.lahf();
    a.add(rcx, rdx);
    a.push(rbp);
    a.mov(rbp, rsp);
    a.push(rax);
    a.push(rdx);
    a.leave();
    a.jmp(top);
  });
  traced.run_in_stretches();
}

TEST_CASE("translator: a fault between pushes and pops shows the stack pointer as far as it has moved") {
  Traced traced([](Assembler& a) {
    const asmjit::Label top = a.newLabel(), function = a.newLabel();
    a.mov(rsp, kStack);
    a.bind(top);
    choose_address(a);
    a.call(function);
    a.add(rax, rdx);
    a.jmp(top);
    a.bind(function);
    a.push(rbp);
    a.push(rdx);
    a.sub(rsp, 0x28);
    a.cmp(ecx, 1000);
    a.test(cl, 8);
    const asmjit::Label good = a.newLabel();
    a.jz(good);
    a.mov(rsi, rbx);
    a.bind(good);
    a.mov(ptr(rsp, 0x10), rdx);
    a.add(rsp, 0x28);  // Faults until the next addition show its flags.
    a.pop(rdx);
    a.mov(r8, ptr(rsi, 0x40));
    a.mov(rsi, ptr(rbx, rdi, 3));
    a.mov(rdi, rsp);
    a.mov(r8, ptr(rsi, 0x800));
    a.pop(rbp);
    a.add(rdi, r8);
    a.ret();
  });
  check_faults(traced);
}

TEST_CASE("translator: a fault shows flags of an addition and of the step behind it") {
  Traced traced([](Assembler& a) {
    const asmjit::Label top = a.newLabel();
    a.bind(top);
    choose_address(a);
    a.add(rax, 0x7fff'0001);
    a.mov(rdx, ptr(rbx, 0x400));
    a.dec(rbp);
    a.mov(rdx, ptr(rbx, rdi, 0, 0x1500));  // Checks that may use EFLAGS,
    a.mov(rdx, ptr(rsi));  // and one that may fault.
    a.add(rdx, 1);
    a.mov(rbp, ptr(rbx, rdi, 0, 0x1600));
    a.shl(rdx, 3);
    a.mov(rdx, ptr(rbx, 0x408));
    a.and_(edx, 0xff);
    a.jmp(top);
  });
  check_faults(traced);
}

TEST_CASE("translator: a trace that checks with EFLAGS before it has set any gives back those it began with") {
  Traced traced([](Assembler& a) {
    const asmjit::Label top = a.newLabel();
    a.bind(top);
    a.mov(rdx, ptr(rbx, 0x700));
    a.mov(rdx, ptr(rsi));
    a.push(rdx);
    a.pop(r8);
    a.mov(rbp, ptr(rbx, rdi, 0, 0x1500));
    a.add(rdx, rbp);
    choose_address(a);
    a.mov(eax, ecx);
    a.imul(eax, eax, 0x12345);
    a.cmp(eax, 0x4000'0003);
    a.lea(r8, ptr(top));
    a.jmp(r8);  // Ends the trace.
  });
  traced.twins.both([](TestCpu& test) {
    test.state().gpr[RSP] = kStack;
    test.state().gpr[RSI] = kData;
  });
  check_faults(traced);
}

TEST_CASE("translator: a return that leads elsewhere leaves with the flags of before") {
  Traced traced([](Assembler& a) {
    const asmjit::Label top = a.newLabel(), function = a.newLabel(), other = a.newLabel();
    a.mov(rsp, kStack);
    a.jmp(top);
    a.bind(other);  // Below the address that the trace compares with.
    a.pushfq();
    a.add(r15, ptr(rsp));
    a.add(rsp, 8);
    a.bind(top);
    a.add(rcx, 1);
    a.call(function);
    a.add(rax, 1);
    a.jmp(top);
    a.bind(function);
    a.push(rdx);
    a.lea(rdx, ptr(other));
    a.mov(edi, ecx);
    a.and_(edi, 7);
    a.cmovnz(rdx, ptr(rsp, 8));
    a.mov(ptr(rsp, 8), rdx);
    a.sub(rsp, 0x10);
    a.mov(ptr(rsp), rdi);
    a.add(rsp, 0x10);
    a.pop(rdx);
    a.ret();
  });
  traced.run_in_stretches();
  CHECK(traced.twins.subject.test.state().gpr[R15] != 0);
}

TEST_CASE("translator: displacements of 32-bit code wrap at 4 GiB") {
  Twins twins(tracing());
  twins.both([](TestCpu& test) {
    test.enter_long();
    // The last 2 MiB are what is behind the third and fourth, too.
    test.poke<u64>(0x10'1018, 0x10'4007);
    test.poke<u64>(0x10'4ff8, 0x20'0087);
    cpu::CpuState& state = test.state();
    state.segment(Seg::CS) = TestCpu::segment(TestCpu::kCode32, 0, 0xffff'ffff, 0xc9b);
    test.cpu.update_mode();
    state.gpr[RSI] = 0x20'0ff0;
    state.gpr[RSP] = 0x20'3000;
  });
  twins.put(kCode, code32(kCode, [](Assembler& a) {
    const asmjit::Label top = a.newLabel();
    a.bind(top);
    a.inc(eax);
    a.add(ptr(ebx, -4), eax);  // EBX is 0 or 2 MiB,
    a.mov(edx, ptr(ebx, -8));
    a.add(edx, ptr(esi, 0x20));  // ESI shortly before the end of a page, or of all.
    a.add(ptr(esi, 0x18), edx);
    a.mov(cx, word_ptr(ebx, -2));
    a.xor_(ebx, 0x20'0000);
    a.push(edx);
    a.mov(ptr(esp, -4), ecx);
    a.pop(edi);
    a.test(al, 3);
    const asmjit::Label skip = a.newLabel();
    a.jnz(skip);
    a.xor_(esi, 0xffdf'f000);
    a.bind(skip);
    a.jmp(top);
  }));
  run_in_stretches(twins);
}

}  // namespace
}  // namespace doppel::jit
