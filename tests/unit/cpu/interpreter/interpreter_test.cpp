#include "cpu/interpreter/interpreter.h"

#include <doctest/doctest.h>

#include "tests/support/test_cpu.h"

using namespace doppel;
using namespace doppel::test;

namespace {

struct Machine : TestCpu {
  cpu::Interpreter engine{cpu};

  Machine() { enter_protected(); }
  /// Puts code at the present RIP.
  void code(std::initializer_list<u8> bytes) { put(state().rip(), bytes); }
};

}  // namespace

TEST_CASE("interpreter: retires exactly what it was asked to, also in the middle of a block") {
  Machine m;
  m.code({0x40, 0x40, 0x40, 0x40, 0x40, 0xf4});  // INC EAX five times, HLT
  const u64 before = m.state().retired;
  CHECK(m.engine.run(3) == cpu::ExitReason::BudgetSpent);
  CHECK(m.state().retired - before == 3);
  CHECK(m.state().gpr[RAX] == 3);
  CHECK(m.engine.run(100) == cpu::ExitReason::Halted);
  CHECK(m.state().retired - before == 6);
  CHECK(m.state().gpr[RAX] == 5);
}

TEST_CASE("interpreter: a block of which no instruction may run stays where it is") {
  Machine m;
  m.code({0x40, 0x40, 0xf4});  // INC EAX twice, HLT
  const cpu::Block* const block = m.engine.find_block();
  REQUIRE(block != nullptr);
  const u64 before = m.state().retired;
  const u64 rip = m.state().rip();
  m.engine.run_block(*block, 0);
  CHECK(m.state().retired == before);
  CHECK(m.state().rip() == rip);
  m.cpu.attention = false;
  m.engine.run_block(*block, 2);
  CHECK(m.state().gpr[RAX] == 2);
}

TEST_CASE("interpreter: code where no memory is ends the run, single-stepped or not") {
  for (const u64 flags : {u64{0}, u64{rflags::TF}}) {
    CAPTURE(flags);
    Machine m;
    m.cpu.write_flags(flags, rflags::TF);
    m.state().rip() = 0x8000'0000;
    CHECK(m.engine.run(1000) == cpu::ExitReason::OutsideMemory);
    // It is a statement about that address, not about the engine.
    m.cpu.write_flags(0, rflags::TF);
    m.state().rip() = 0x3000;
    m.code({0xf4});
    CHECK(m.engine.run(1000) == cpu::ExitReason::Halted);
  }
}

TEST_CASE("interpreter: a store into the running block is heeded by its next instruction") {
  Machine m;
  const u32 start = static_cast<u32>(m.state().rip());
  // MOV BYTE [start+7], 48h turns the INC EAX behind it into DEC EAX.
  m.code({0xc6, 0x05, static_cast<u8>(start + 7), static_cast<u8>((start + 7) >> 8),
          static_cast<u8>((start + 7) >> 16), 0, 0x48, 0x40, 0xf4});
  while (!m.state().halted) (void)m.engine.run(10);
  CHECK(static_cast<u32>(m.state().gpr[RAX]) == 0xffff'ffff);
}

TEST_CASE("interpreter: a remembered successor is forgotten when its code changes") {
  Machine m;
  const u64 start = m.state().rip();
  // A loop of two blocks: start: INC EAX; JMP +0; CMP EAX, 10; JB start; HLT
  m.code({0x40, 0xeb, 0x00, 0x83, 0xf8, 0x0a, 0x72, 0xf8, 0xf4});
  CHECK(m.engine.run(20) == cpu::ExitReason::BudgetSpent);
  CHECK(m.state().gpr[RAX] == 5);
  m.poke<u8>(start + 5, 0x07);  // CMP EAX, 7
  while (!m.state().halted) (void)m.engine.run(1000);
  CHECK(m.state().gpr[RAX] == 7);
}

TEST_CASE("interpreter: faults for ever take time") {
  Machine m;
  // An IDT whose #UD handler is the faulting instruction itself.
  m.set_idt(6, TestCpu::gate(TestCpu::kCode32, static_cast<u32>(m.state().rip()), 15));
  m.code({0x0f, 0x0b});
  m.state().gpr[RSP] = 0x9000;
  const u64 before = m.state().retired;
  (void)m.engine.run(100);
  CHECK(m.state().retired - before == 100);
}
