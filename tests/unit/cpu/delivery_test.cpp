#include "cpu/delivery.h"

#include <doctest/doctest.h>

#include "tests/support/test_cpu.h"

namespace doppel::cpu {
namespace {

using test::faulted;
using test::TestCpu;

constexpr u32 kInterrupt32 = 14, kTrap32 = 15, kInterrupt16 = 6;

u8 number(Vector vector) { return static_cast<u8>(vector); }

TEST_CASE("delivery: real mode pushes FLAGS, CS, IP and clears IF and TF") {
  TestCpu t;
  t.state().gpr[RSP] = 0x1000;
  t.state().idtr = {0, 0x3ff};
  t.state().rip() = 0x123;
  t.state().system_flags |= rflags::IF | rflags::TF;
  t.poke<u32>(0x21 * 4, 0x2000'0010);
  CHECK(t.cpu.deliver(0x21, EventSource::SoftwareInterrupt, 0).ok());
  CHECK(t.state().segment(Seg::CS).base == 0x20000);
  CHECK(t.state().rip() == 0x10);
  CHECK(t.peek<u16>(0xffa) == 0x123);
  CHECK(t.peek<u16>(0xffc) == 0xf000);
  CHECK((t.peek<u16>(0xffe) & (rflags::IF | rflags::TF)) == (rflags::IF | rflags::TF));
  CHECK_FALSE(t.state().test(rflags::IF));
  CHECK_FALSE(t.state().test(rflags::TF));
}

TEST_CASE("delivery: a fault at the same level pushes its error code, with RF in the flags") {
  TestCpu t;
  t.enter_protected();
  t.set_idt(13, TestCpu::gate(TestCpu::kCode32, 0x4000, kInterrupt32));
  t.state().system_flags |= rflags::IF;
  t.cpu.raise(gp(0x1234));
  CHECK(t.state().rip() == 0x4000);
  CHECK(t.state().gpr[RSP] == 0x9000 - 16);
  CHECK(t.peek<u32>(0x8ff0) == 0x1234);
  CHECK(t.peek<u32>(0x8ff4) == TestCpu::kCode);
  CHECK(t.peek<u32>(0x8ff8) == TestCpu::kCode32);
  CHECK((t.peek<u32>(0x8ffc) & (rflags::RF | rflags::IF)) == (rflags::RF | rflags::IF));
  CHECK_FALSE(t.state().test(rflags::IF | rflags::RF));
}

TEST_CASE("delivery: a trap gate leaves IF alone") {
  TestCpu t;
  t.enter_protected();
  t.set_idt(6, TestCpu::gate(TestCpu::kCode32, 0x4000, kTrap32));
  t.state().system_flags |= rflags::IF;
  t.cpu.raise(ud());
  CHECK(t.state().test(rflags::IF));
}

TEST_CASE("delivery: from ring 3 onto the ring 0 stack of the TSS") {
  TestCpu t;
  t.enter_user32();
  t.set_idt(0x80, TestCpu::gate(TestCpu::kCode32, 0x4000, kInterrupt32, 3));
  t.step({0xcd, 0x80});
  CHECK(t.state().cpl == 0);
  CHECK(t.state().segment(Seg::CS).selector == TestCpu::kCode32);
  CHECK(t.state().segment(Seg::SS).selector == TestCpu::kData32);
  CHECK(t.state().gpr[RSP] == 0x8000 - 20);
  CHECK(t.peek<u32>(0x7ffc) == TestCpu::kUserData32);
  CHECK(t.peek<u32>(0x7ff8) == 0x9000);
  CHECK(t.peek<u32>(0x7ff0) == TestCpu::kUserCode32);
  CHECK(t.peek<u32>(0x7fec) == TestCpu::kCode + 2);
}

TEST_CASE("delivery: INT n may not use a gate of a more privileged level") {
  TestCpu t;
  t.enter_user32();
  t.set_idt(0x80, TestCpu::gate(TestCpu::kCode32, 0x4000, kInterrupt32, 0));
  CHECK(faulted(t.execute({0xcd, 0x80}), Vector::GP, 0x80 * 8 + 2));
  CHECK(t.cpu.deliver(0x80, EventSource::External, 0).ok());  // Interrupts may.
}

TEST_CASE("delivery: EXT tells faults of INT n from faults of everything else") {
  TestCpu t;
  t.enter_protected();
  t.set_idt(0x40, TestCpu::gate(TestCpu::kCode32, 0x4000, kInterrupt32) & ~(u64{1} << 47));
  CHECK(faulted(t.cpu.deliver(0x40, EventSource::SoftwareInterrupt, 0), Vector::NP, 0x202));
  CHECK(faulted(t.cpu.deliver(0x40, EventSource::External, 0), Vector::NP, 0x203));
  t.set_idt(0x40, TestCpu::gate(TestCpu::kData32, 0x4000, kInterrupt32));
  CHECK(faulted(t.cpu.deliver(0x40, EventSource::External, 0), Vector::GP, TestCpu::kData32 | 1));
  CHECK(faulted(t.cpu.deliver(0x41, EventSource::PrivilegedSoftwareException, 0), Vector::GP, 0x20b));
}

TEST_CASE("delivery: a stack that faults leaves everything as it was") {
  TestCpu t;
  t.enter_user32();
  t.set_gdt(0x60, TestCpu::descriptor(0x7000, 0x00f, 0x093));  // Room for four values, five are needed.
  t.poke<u16>(TestCpu::kTss + 8, 0x60);
  t.poke<u32>(TestCpu::kTss + 4, 0x10);
  t.set_idt(0x80, TestCpu::gate(TestCpu::kCode32, 0x4000, kInterrupt32, 3));
  t.state().system_flags |= rflags::IF;
  CHECK(faulted(t.execute({0xcd, 0x80}), Vector::SS, 0x60));
  CHECK(t.state().cpl == 3);
  CHECK(t.state().gpr[RSP] == 0x9000);
  CHECK(t.state().test(rflags::IF));
  CHECK(t.peek<u32>(0x700c) == 0);
}

TEST_CASE("delivery: a 16-bit gate pushes words") {
  TestCpu t;
  t.enter_protected();
  t.set_idt(0x40, TestCpu::gate(TestCpu::kCode16, 0xffff'4000, kInterrupt16));
  t.step({0xcd, 0x40});
  CHECK(t.state().rip() == 0x4000);
  CHECK(t.state().gpr[RSP] == 0x9000 - 6);
}

TEST_CASE("delivery: virtual-8086 mode is left for ring 0 with all segments on the stack") {
  TestCpu t;
  t.enter_v86(3);
  t.set_idt(13, TestCpu::gate(TestCpu::kCode32, 0x4000, kInterrupt32));
  t.cpu.raise(gp());
  CHECK(t.state().cpl == 0);
  CHECK_FALSE(t.state().v86());
  CHECK(t.state().gpr[RSP] == 0x8000 - 10 * 4);
  CHECK(t.peek<u32>(0x7ffc) == 0x900);  // GS
  CHECK(t.peek<u32>(0x7fec) == 0x900);  // SS
  CHECK(t.peek<u32>(0x7fe8) == 0x100);  // ESP
  CHECK((t.peek<u32>(0x7fe4) & rflags::VM) != 0);
  CHECK(t.peek<u32>(0x7fe0) == 0x1000);
  CHECK_FALSE(t.state().segment(Seg::DS).usable());
  // And IRET goes back.
  t.state().gpr[RSP] += 4;
  t.step({0xcf});
  CHECK(t.state().v86());
  CHECK(t.state().cpl == 3);
  CHECK(t.state().segment(Seg::DS).base == 0x9000);
  CHECK(t.state().gpr[RSP] == 0x100);
}

TEST_CASE("delivery: INT n in virtual-8086 mode needs IOPL 3, or the redirection bitmap of VME") {
  TestCpu t;
  t.enter_v86(0);
  CHECK(faulted(t.execute({0xcd, 0x21}), Vector::GP, 0));

  t.state().cr4 |= cr4::VME;
  t.poke<u16>(TestCpu::kTss + 0x66, 0x88);  // Redirection bitmap at 68h, all zeros.
  t.poke<u32>(0x21 * 4, 0x2000'0055);
  t.state().system_flags |= rflags::VIF;
  t.step({0xcd, 0x21});
  CHECK(t.state().v86());
  CHECK(t.state().segment(Seg::CS).base == 0x20000);
  CHECK(t.state().rip() == 0x55);
  CHECK((t.peek<u16>(0x90fe) & (rflags::IF | rflags::IOPL)) == (rflags::IF | rflags::IOPL));
  CHECK_FALSE(t.state().test(rflags::VIF));

  t.poke<u8>(TestCpu::kTss + 0x68 + 4, 0x02);  // Vector 21h goes to the system.
  CHECK(faulted(t.execute({0xcd, 0x21}), Vector::GP, 0));
}

TEST_CASE("delivery: long mode aligns RSP, always pushes SS:RSP, and takes the IST") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RSP] = 0x900b;
  t.set_idt64(14, TestCpu::kCode64, 0x4000, kInterrupt32);
  t.cpu.raise(Fault::make(Vector::PF, pf::W, 0xdead'0000));
  CHECK(t.state().cr2 == 0xdead'0000);
  CHECK(t.state().gpr[RSP] == 0x9000 - 48);
  CHECK(t.peek<u64>(0x8fd0) == pf::W);
  CHECK(t.peek<u64>(0x8ff0) == 0x900b);
  CHECK(t.peek<u64>(0x8ff8) == TestCpu::kData32);

  t.enter_long();
  t.set_idt64(2, TestCpu::kCode64, 0x5000, kInterrupt32, 0, 1);
  t.cpu.raise_nmi();
  CHECK(t.cpu.take_pending_events());
  CHECK(t.state().gpr[RSP] == 0x7000 - 40);
  CHECK(t.state().segment(Seg::SS).selector == TestCpu::kData32);
}

TEST_CASE("delivery: long mode from ring 3 leaves SS null") {
  TestCpu t;
  t.enter_long(3);
  t.set_idt64(13, TestCpu::kCode64, 0x4000, kInterrupt32);
  t.cpu.raise(gp());
  CHECK(t.state().cpl == 0);
  CHECK(t.state().segment(Seg::SS).selector == 0);
  CHECK(t.state().gpr[RSP] == 0x8000 - 48);
  CHECK(t.cpu.push<u64>(1).ok());  // 64-bit code does not mind.
}

TEST_CASE("events: contributory faults combine to #DF, then end the machine with reasons") {
  TestCpu t;
  t.enter_protected();
  t.set_idt(8, TestCpu::gate(TestCpu::kCode32, 0x4400, kInterrupt32));
  t.cpu.raise(gp());  // No gate for #GP.
  CHECK(t.state().rip() == 0x4400);
  CHECK(t.peek<u32>(t.state().gpr[RSP]) == 0);
  CHECK_FALSE(t.state().shutdown);
  CHECK(t.cpu.fault_chain().empty());

  t.set_idt(8, 0);
  t.cpu.raise(gp(0x50));
  CHECK(t.state().shutdown);
  const auto& chain = t.cpu.fault_chain();
  REQUIRE(chain.size() == 2);
  CHECK(chain[0].vector == number(Vector::GP));
  CHECK(chain[0].error_code == 0x50);
  CHECK(chain[0].failure.find("IDT entry 13 at 0x2068") != std::string::npos);
  CHECK(chain[1].vector == number(Vector::DF));
  CHECK(chain[1].failure.find("IDT entry 8") != std::string::npos);
}

TEST_CASE("events: #UD without a gate becomes #GP, which is taken") {
  TestCpu t;
  t.enter_protected();
  t.set_idt(13, TestCpu::gate(TestCpu::kCode32, 0x4000, kInterrupt32));
  t.cpu.raise(ud());
  CHECK(t.state().rip() == 0x4000);
  CHECK(t.peek<u32>(0x8ff0) == 6 * 8 + 3);  // IDT and EXT
}

TEST_CASE("events: a page fault while a page fault is delivered is a double fault, and CR2 is the second's") {
  TestCpu t;
  t.enter_long();
  t.set_idt64(14, TestCpu::kCode64, 0x4000, kInterrupt32);
  t.set_idt64(8, TestCpu::kCode64, 0x4400, kInterrupt32, 0, 1);
  t.state().gpr[RSP] = 0x80'0000;  // Not mapped.
  t.cpu.raise(Fault::make(Vector::PF, 0, 0x40'1000));
  CHECK(t.state().rip() == 0x4400);
  CHECK(t.state().cr2 == 0x80'0000 - 48);
}

TEST_CASE("events: a fault ends what STI and MOV SS hold off, delivered or not") {
  for (const bool has_handler : {true, false}) {
    CAPTURE(has_handler);
    TestCpu t;
    t.enter_protected();
    if (has_handler) t.set_idt(13, TestCpu::gate(TestCpu::kCode32, 0x4000, kInterrupt32));
    t.state().interrupt_shadow = t.state().mov_ss_shadow = true;
    t.cpu.raise(Fault::make(Vector::GP, 0));
    CHECK(t.state().shutdown == !has_handler);
    CHECK_FALSE(t.state().interrupt_shadow);
    CHECK_FALSE(t.state().mov_ss_shadow);
  }
}

TEST_CASE("events: exceptions that follow each other for ever end the machine") {
  TestCpu t;
  t.enter_user32();
  t.set_idt(17, TestCpu::gate(TestCpu::kUserCode32, 0x4000, kInterrupt32, 3));
  t.state().cr0 |= cr0::AM;
  t.state().system_flags |= rflags::AC;
  t.state().gpr[RSP] = 0x9001;  // The handler stays in ring 3 and on this stack: pushing is #AC again.
  t.cpu.update_mode();
  t.cpu.raise(Fault::make(Vector::AC, 0));
  CHECK(t.state().shutdown);
  CHECK(t.cpu.fault_chain().back().failure.find("without an instruction") != std::string::npos);
}

TEST_CASE("events: INTR waits for IF and the shadow, and wakes HLT") {
  TestCpu t;
  t.enter_protected();
  t.set_idt(0x20, TestCpu::gate(TestCpu::kCode32, 0x4000, kInterrupt32));
  t.cpu.set_intr(true);
  t.state().halted = true;
  CHECK_FALSE(t.cpu.take_pending_events());
  CHECK(t.state().halted);
  t.state().system_flags |= rflags::IF;
  t.state().interrupt_shadow = true;
  CHECK_FALSE(t.cpu.take_pending_events());
  CHECK(t.environment.acknowledged == 0);
  t.state().interrupt_shadow = false;
  CHECK(t.cpu.take_pending_events());
  CHECK(t.environment.acknowledged == 1);
  CHECK_FALSE(t.state().halted);
  CHECK(t.state().rip() == 0x4000);
  CHECK((t.peek<u32>(0x8ffc) & rflags::RF) == 0);
}

TEST_CASE("events: NMIs are blocked until IRET") {
  TestCpu t;
  t.enter_protected();
  t.set_idt(2, TestCpu::gate(TestCpu::kCode32, 0x4000, kInterrupt32));
  t.cpu.raise_nmi();
  CHECK(t.cpu.take_pending_events());
  t.cpu.raise_nmi();
  CHECK_FALSE(t.cpu.take_pending_events());
  t.step({0xcf});
  CHECK(t.state().rip() == TestCpu::kCode);
  CHECK(t.cpu.take_pending_events());
}

TEST_CASE("events: debug traps set DR6, clear GD, and do not push RF") {
  TestCpu t;
  t.enter_protected();
  t.set_idt(1, TestCpu::gate(TestCpu::kCode32, 0x4000, kInterrupt32));
  t.state().dr[7] |= dr7::GD;
  t.cpu.raise_debug_trap(dr6::BS);
  CHECK((t.state().dr[6] & dr6::BS) != 0);
  CHECK((t.state().dr[7] & dr7::GD) == 0);
  CHECK((t.peek<u32>(0x8ffc) & rflags::RF) == 0);
}

TEST_CASE("events: instruction breakpoints need their enable bit and type") {
  TestCpu t;
  t.state().dr[1] = 0x1234;
  t.state().dr[7] = dr7::kFixedOnes | 1u << 2;
  CHECK(t.cpu.instruction_breakpoints(LinearAddr(0x1234)) == 2);
  CHECK(t.cpu.instruction_breakpoints(LinearAddr(0x1235)) == 0);
  t.state().dr[7] |= 1u << 20;  // Now a data breakpoint.
  CHECK(t.cpu.instruction_breakpoints(LinearAddr(0x1234)) == 0);
}

}  // namespace
}  // namespace doppel::cpu
