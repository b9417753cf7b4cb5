#include <doctest/doctest.h>

#include "cpu/monitor.h"
#include "tests/support/test_cpu.h"

namespace doppel::cpu {
namespace {

using test::faulted;
using test::TestCpu;

TEST_CASE("CLI and STI: IOPL decides; STI opens a shadow of one instruction") {
  TestCpu t;
  t.enter_protected();
  t.step({0xfb});
  CHECK(t.state().test(rflags::IF));
  CHECK(t.state().interrupt_shadow);
  t.state().interrupt_shadow = false;
  t.step({0xfb});
  CHECK_FALSE(t.state().interrupt_shadow);  // Was on already.
  t.step({0xfa});
  CHECK_FALSE(t.state().test(rflags::IF));
  t.enter_user32();
  CHECK(faulted(t.execute({0xfa}), Vector::GP));
  CHECK(faulted(t.execute({0xfb}), Vector::GP));
  t.state().system_flags |= rflags::IOPL;
  CHECK(t.execute({0xfb}).ok());
}

TEST_CASE("PVI: ring 3 changes VIF, and VIP stops STI") {
  TestCpu t;
  t.enter_user32();
  t.state().cr4 |= cr4::PVI;
  t.step({0xfb});
  CHECK(t.state().test(rflags::VIF));
  CHECK_FALSE(t.state().test(rflags::IF));
  t.step({0xfa});
  CHECK_FALSE(t.state().test(rflags::VIF));
  t.state().system_flags |= rflags::VIP;
  CHECK(faulted(t.execute({0xfb}), Vector::GP));
}

TEST_CASE("POPF: ring 3 cannot change IOPL, and IF only within it") {
  TestCpu t;
  t.enter_user32();
  t.poke<u32>(0x9000, rflags::IF | rflags::IOPL | rflags::CF | rflags::VM | rflags::RF | rflags::ID);
  t.step({0x9d});
  CHECK(t.state().rflags() == (rflags::CF | rflags::ID | rflags::FIXED));
  CHECK(t.state().gpr[RSP] == 0x9004);
  t.enter_protected();
  t.poke<u32>(0x9000, rflags::IF | rflags::IOPL | rflags::VIF);
  t.step({0x9d});
  CHECK(t.state().iopl() == 3);
  CHECK(t.state().test(rflags::IF));
  CHECK_FALSE(t.state().test(rflags::VIF));
}

TEST_CASE("POPF and PUSHF: virtual-8086 mode needs IOPL 3 or VME") {
  TestCpu t;
  t.enter_v86(0);
  CHECK(faulted(t.execute({0x9c}), Vector::GP));
  CHECK(faulted(t.execute({0x9d}), Vector::GP));
  t.state().cr4 |= cr4::VME;
  t.state().system_flags |= rflags::VIF;
  t.step({0x9c});
  CHECK((t.peek<u16>(0x90fe) & (rflags::IF | rflags::IOPL)) == (rflags::IF | rflags::IOPL));
  t.poke<u16>(0x90fe, 0);
  t.step({0x9d});
  CHECK_FALSE(t.state().test(rflags::VIF));
  CHECK(t.state().gpr[RSP] == 0x100);
  t.poke<u16>(0x9100, rflags::IF);
  t.state().system_flags |= rflags::VIP;
  CHECK(faulted(t.execute({0x9d}), Vector::GP));
  CHECK(faulted(t.execute({0x66, 0x9d}), Vector::GP));  // 32 bits are never virtual.
}

TEST_CASE("PUSHF: VM and RF read as zero") {
  TestCpu t;
  t.enter_v86(3);
  t.state().system_flags |= rflags::RF;
  t.step({0x66, 0x9c});
  CHECK((t.peek<u32>(0x90fc) & (rflags::VM | rflags::RF)) == 0);
}

TEST_CASE("IRET: real mode restores FLAGS with IOPL and NT") {
  TestCpu t;
  t.state().gpr[RSP] = 0x1000;
  t.poke<u16>(0x1000, 0x1234);
  t.poke<u16>(0x1002, 0x2000);
  t.poke<u16>(0x1004, rflags::IF | rflags::NT | rflags::IOPL | rflags::CF);
  t.step({0xcf});
  CHECK(t.state().rip() == 0x1234);
  CHECK(t.state().segment(Seg::CS).base == 0x20000);
  CHECK(t.state().rflags() == (rflags::IF | rflags::NT | rflags::IOPL | rflags::CF | rflags::FIXED));
  CHECK(t.state().gpr[RSP] == 0x1006);
}

TEST_CASE("IRET: to ring 3 takes the stack and drops ring 0's segments") {
  TestCpu t;
  t.enter_protected();
  const u32 frame[] = {0x5000, TestCpu::kUserCode32, static_cast<u32>(rflags::IF | rflags::FIXED), 0x7000,
                       TestCpu::kUserData32};
  for (unsigned i = 0; i < 5; ++i) t.poke<u32>(0x9000 + i * 4, frame[i]);
  t.step({0xcf});
  CHECK(t.state().cpl == 3);
  CHECK(t.state().rip() == 0x5000);
  CHECK(t.state().gpr[RSP] == 0x7000);
  CHECK(t.state().test(rflags::IF));
  CHECK_FALSE(t.state().segment(Seg::DS).usable());
}

TEST_CASE("IRET: a bad frame leaves the stack and the flags alone") {
  TestCpu t;
  t.enter_protected();
  t.poke<u32>(0x9000, 0x5000);
  t.poke<u32>(0x9004, TestCpu::kData32);
  t.poke<u32>(0x9008, rflags::IF);
  CHECK(faulted(t.execute({0xcf}), Vector::GP, TestCpu::kData32));
  CHECK(t.state().gpr[RSP] == 0x9000);
  CHECK_FALSE(t.state().test(rflags::IF));
  t.enter_user32();
  t.poke<u32>(0x9004, TestCpu::kCode32);
  CHECK(faulted(t.execute({0xcf}), Vector::GP, TestCpu::kCode32));  // Inwards.
}

TEST_CASE("IRET: ring 3 cannot enter virtual-8086 mode or raise IOPL") {
  TestCpu t;
  t.enter_user32();
  t.poke<u32>(0x9000, 0x5000);
  t.poke<u32>(0x9004, TestCpu::kUserCode32);
  t.poke<u32>(0x9008, rflags::VM | rflags::IOPL | rflags::IF);
  t.step({0xcf});
  CHECK(t.state().rip() == 0x5000);
  CHECK_FALSE(t.state().v86());
  CHECK(t.state().iopl() == 0);
  CHECK_FALSE(t.state().test(rflags::IF));
}

TEST_CASE("IRETQ: always pops SS:RSP, allows a null SS below ring 3, refuses NT") {
  TestCpu t;
  t.enter_long();
  const u64 frame[] = {0x5000, TestCpu::kCode64, rflags::FIXED | rflags::RF, 0x7001, 0};
  for (unsigned i = 0; i < 5; ++i) t.poke<u64>(0x9000 + i * 8, frame[i]);
  t.step({0x48, 0xcf});
  CHECK(t.state().rip() == 0x5000);
  CHECK(t.state().gpr[RSP] == 0x7001);
  CHECK(t.state().segment(Seg::SS).selector == 0);
  CHECK(t.state().test(rflags::RF));
  t.enter_long();
  t.poke<u64>(0x9008, TestCpu::kUserCode64);
  CHECK(faulted(t.execute({0x48, 0xcf}), Vector::GP, 0));
  t.poke<u64>(0x9008, TestCpu::kCode64);
  t.poke<u64>(0x9000, u64{1} << 47);
  CHECK(faulted(t.execute({0x48, 0xcf}), Vector::GP, 0));
  t.state().system_flags |= rflags::NT;
  CHECK(faulted(t.execute({0x48, 0xcf}), Vector::GP, 0));
}

TEST_CASE("INT3, INTO, BOUND: trap after, or fault at, the instruction") {
  TestCpu t;
  t.enter_protected();
  t.set_idt(3, TestCpu::gate(TestCpu::kCode32, 0x4000, 15));
  t.set_idt(4, TestCpu::gate(TestCpu::kCode32, 0x4100, 15));
  t.step({0xcc});
  CHECK(t.state().rip() == 0x4000);
  CHECK(t.peek<u32>(0x8ff4) == TestCpu::kCode + 1);
  t.state().flags.set(0);
  t.step({0xce});
  CHECK(t.state().rip() == 0x4001);
  t.state().flags.set(rflags::OF);
  t.step({0xce});
  CHECK(t.state().rip() == 0x4100);

  t.poke<u32>(0x5000, static_cast<u32>(-5));
  t.poke<u32>(0x5004, 10);
  t.state().gpr[RBX] = 0x5000;
  t.state().gpr[RAX] = 0xffff'fffb;
  CHECK(t.execute({0x62, 0x03}).ok());
  t.state().gpr[RAX] = 11;
  CHECK(faulted(t.execute({0x62, 0x03}), Vector::BR));
}

TEST_CASE("SYSCALL and SYSRET: selectors from STAR, flags through SFMASK and R11") {
  TestCpu t;
  t.enter_long(3);
  t.state().star = u64{0x43} << 48 | u64{TestCpu::kCode64} << 32;
  t.state().lstar = 0x1'2345;
  t.state().sfmask = rflags::IF | rflags::TF;
  t.state().system_flags |= rflags::IF;
  t.step({0x0f, 0x05});
  CHECK(t.state().cpl == 0);
  CHECK(t.state().rip() == 0x1'2345);
  CHECK(t.state().gpr[RCX] == TestCpu::kCode + 2);
  CHECK((t.state().gpr[R11] & rflags::IF) != 0);
  CHECK_FALSE(t.state().test(rflags::IF));
  CHECK(t.state().segment(Seg::SS).selector == TestCpu::kCode64 + 8);
  t.step({0x48, 0x0f, 0x07});
  CHECK(t.state().cpl == 3);
  CHECK(t.state().rip() == TestCpu::kCode + 2);
  CHECK(t.state().test(rflags::IF));
  CHECK(t.state().segment(Seg::CS).selector == 0x53);
  CHECK(t.state().segment(Seg::SS).selector == 0x4b);
  t.state().efer &= ~efer::SCE;
  CHECK(faulted(t.execute({0x0f, 0x05}), Vector::UD));
}

TEST_CASE("SYSCALL: 32-bit code has none, SYSRET needs ring 0 and a canonical RCX") {
  TestCpu t;
  t.enter_protected();
  t.state().efer |= efer::SCE;
  CHECK(faulted(t.execute({0x0f, 0x05}), Vector::UD));
  t.enter_long(3);
  CHECK(faulted(t.execute({0x48, 0x0f, 0x07}), Vector::GP));
  t.enter_long();
  t.state().gpr[RCX] = u64{1} << 47;
  CHECK(faulted(t.execute({0x48, 0x0f, 0x07}), Vector::GP));
}

TEST_CASE("SYSENTER and SYSEXIT: flat segments from one selector") {
  TestCpu t;
  t.enter_user32();
  CHECK(faulted(t.execute({0x0f, 0x34}), Vector::GP));  // IA32_SYSENTER_CS is null.
  t.state().sysenter_cs = 0x08;
  t.state().sysenter_esp = 0x8800;
  t.state().sysenter_eip = 0x4400;
  t.state().system_flags |= rflags::IF;
  t.step({0x0f, 0x34});
  CHECK(t.state().cpl == 0);
  CHECK(t.state().rip() == 0x4400);
  CHECK(t.state().gpr[RSP] == 0x8800);
  CHECK_FALSE(t.state().test(rflags::IF));
  t.state().gpr[RDX] = 0x5000;
  t.state().gpr[RCX] = 0x9100;
  t.step({0x0f, 0x35});
  CHECK(t.state().cpl == 3);
  CHECK(t.state().segment(Seg::CS).selector == 0x1b);
  CHECK(t.state().segment(Seg::SS).selector == 0x23);
  CHECK(t.state().rip() == 0x5000);
  CHECK(t.state().gpr[RSP] == 0x9100);
}

TEST_CASE("SWAPGS and WRGSBASE: 64-bit code only, canonical bases") {
  TestCpu t;
  t.enter_long();
  t.state().kernel_gs_base = 0xffff'8000'0000'1000;
  t.step({0x0f, 0x01, 0xf8});
  CHECK(t.state().segment(Seg::GS).base == 0xffff'8000'0000'1000);
  CHECK(faulted(t.execute({0xf3, 0x48, 0x0f, 0xae, 0xd8}), Vector::UD));  // wrgsbase rax: CR4 says no
  t.state().cr4 |= cr4::FSGSBASE;
  t.state().gpr[RAX] = u64{1} << 47;
  CHECK(faulted(t.execute({0xf3, 0x48, 0x0f, 0xae, 0xd8}), Vector::GP));
  t.state().gpr[RAX] = 0x1000;
  t.step({0xf3, 0x48, 0x0f, 0xae, 0xd8});
  t.poke<u8>(0x1005, 0x77);
  CHECK(t.cpu.load<u8>(Seg::GS, 5).value() == 0x77);
  t.enter_protected();
  CHECK(faulted(t.execute({0x0f, 0x01, 0xf8}), Vector::UD));
}

}  // namespace
}  // namespace doppel::cpu
