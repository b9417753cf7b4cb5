#include "cpu/task_switch.h"

#include <doctest/doctest.h>

#include "tests/support/test_cpu.h"

namespace doppel::cpu {
namespace {

using test::faulted;
using test::TestCpu;

constexpr u16 kNewTss = 0x60;
constexpr u64 kNewTssBase = 0x6000;

/// A 32-bit task at 08:5000 with stack 10:7800.
void make_task(TestCpu& t) {
  t.set_gdt(kNewTss, TestCpu::descriptor(kNewTssBase, 0x67, 0x089));
  t.poke<u32>(kNewTssBase + 0x20, 0x5000);
  t.poke<u32>(kNewTssBase + 0x24, rflags::FIXED);
  t.poke<u32>(kNewTssBase + 0x28, 0xaaaa);
  t.poke<u32>(kNewTssBase + 0x38, 0x7800);
  for (unsigned i = 0; i < 6; ++i) t.poke<u16>(kNewTssBase + 0x48 + i * 4, TestCpu::kData32);
  t.poke<u16>(kNewTssBase + 0x4c, TestCpu::kCode32);
}

TEST_CASE("task switch: a jump saves the old task, frees it, and loads the new one") {
  TestCpu t;
  t.enter_protected();
  make_task(t);
  t.state().gpr[RBX] = 0x1234'5678;
  t.step({0xea, 0, 0, 0, 0, kNewTss, 0});
  CHECK(t.state().rip() == 0x5000);
  CHECK(t.state().gpr[RAX] == 0xaaaa);
  CHECK(t.state().gpr[RSP] == 0x7800);
  CHECK(t.state().tr.selector == kNewTss);
  CHECK((t.state().cr0 & cr0::TS) != 0);
  CHECK(t.peek<u32>(TestCpu::kTss + 0x20) == TestCpu::kCode + 7);
  CHECK(t.peek<u32>(TestCpu::kTss + 0x34) == 0x1234'5678);
  CHECK(t.peek<u8>(TestCpu::kGdt + TestCpu::kTssSelector + 5) == 0x89);
  CHECK(t.peek<u8>(TestCpu::kGdt + kNewTss + 5) == 0x8b);
  CHECK_FALSE(t.state().test(rflags::NT));
}

TEST_CASE("task switch: a call nests, and IRET returns") {
  TestCpu t;
  t.enter_protected();
  make_task(t);
  t.step({0x9a, 0, 0, 0, 0, kNewTss, 0});
  CHECK(t.state().test(rflags::NT));
  CHECK(t.peek<u16>(kNewTssBase) == TestCpu::kTssSelector);
  CHECK(t.peek<u8>(TestCpu::kGdt + TestCpu::kTssSelector + 5) == 0x8b);
  t.step({0xcf});
  CHECK(t.state().rip() == TestCpu::kCode + 7);
  CHECK(t.state().tr.selector == TestCpu::kTssSelector);
  CHECK_FALSE(t.state().test(rflags::NT));
  CHECK(t.peek<u8>(TestCpu::kGdt + kNewTss + 5) == 0x89);
  CHECK((t.peek<u32>(kNewTssBase + 0x24) & rflags::NT) == 0);
}

TEST_CASE("task switch: a busy, short or absent TSS is refused with nothing changed") {
  TestCpu t;
  t.enter_protected();
  make_task(t);
  const Selector selector{kNewTss};
  const auto attempt = [&] { return switch_task(t.cpu, selector, TaskSwitchCause::Jump, 0, nullptr); };
  t.set_gdt(kNewTss, TestCpu::descriptor(kNewTssBase, 0x67, 0x08b));
  CHECK(faulted(attempt(), Vector::GP, kNewTss));
  t.set_gdt(kNewTss, TestCpu::descriptor(kNewTssBase, 0x66, 0x089));
  CHECK(faulted(attempt(), Vector::TS, kNewTss));
  t.set_gdt(kNewTss, TestCpu::descriptor(kNewTssBase, 0x67, 0x009));
  CHECK(faulted(attempt(), Vector::NP, kNewTss));
  CHECK(faulted(switch_task(t.cpu, selector, TaskSwitchCause::Return, 0, nullptr), Vector::TS, kNewTss));
  CHECK(t.state().tr.selector == TestCpu::kTssSelector);
  CHECK(t.state().rip() == TestCpu::kCode);
}

TEST_CASE("task switch: a fault after the commit point is the new task's") {
  TestCpu t;
  t.enter_protected();
  make_task(t);
  t.set_gdt(0x68, TestCpu::descriptor(0, 0xfff, 0x013));  // Not present.
  t.poke<u16>(kNewTssBase + 0x54, 0x68);                  // DS
  t.set_idt(11, TestCpu::gate(TestCpu::kCode32, 0x4000, 14));
  t.step({0xea, 0, 0, 0, 0, kNewTss, 0});
  CHECK(t.state().rip() == 0x4000);
  CHECK(t.state().tr.selector == kNewTss);
  CHECK(t.peek<u32>(t.state().gpr[RSP]) == 0x68);
  CHECK(t.peek<u32>(t.state().gpr[RSP] + 4) == 0x5000);
}

TEST_CASE("task switch: an exception through a task gate pushes its error code on the new stack") {
  TestCpu t;
  t.enter_protected();
  make_task(t);
  t.set_idt(13, TestCpu::gate(kNewTss, 0, 5));
  t.cpu.raise(gp(0x77));
  CHECK(t.state().rip() == 0x5000);
  CHECK(t.state().gpr[RSP] == 0x77fc);
  CHECK(t.peek<u32>(0x77fc) == 0x77);
  CHECK(t.state().test(rflags::NT));
  CHECK(t.peek<u32>(TestCpu::kTss + 0x20) == TestCpu::kCode);
  CHECK((t.peek<u32>(TestCpu::kTss + 0x24) & rflags::RF) != 0);
}

TEST_CASE("task switch: the T bit asks for a debug trap before the first instruction") {
  TestCpu t;
  t.enter_protected();
  make_task(t);
  t.poke<u16>(kNewTssBase + 0x64, 1);
  t.set_idt(1, TestCpu::gate(TestCpu::kCode32, 0x4000, 14));
  t.step({0xea, 0, 0, 0, 0, kNewTss, 0});
  CHECK(t.state().rip() == 0x4000);
  CHECK((t.state().dr[6] & dr6::BT) != 0);
  CHECK(t.peek<u32>(t.state().gpr[RSP]) == 0x5000);
}

TEST_CASE("task switch: a 16-bit task saves and loads 16 bits") {
  TestCpu t;
  t.enter_protected();
  t.set_gdt(kNewTss, TestCpu::descriptor(kNewTssBase, 0x2b, 0x081));
  t.poke<u16>(kNewTssBase + 0x0e, 0x1234);
  t.poke<u16>(kNewTssBase + 0x10, 2);
  t.poke<u16>(kNewTssBase + 0x1a, 0x800);
  for (unsigned i = 0; i < 4; ++i) t.poke<u16>(kNewTssBase + 0x22 + i * 2, TestCpu::kData16);
  t.poke<u16>(kNewTssBase + 0x24, TestCpu::kCode16);
  t.step({0xea, 0, 0, 0, 0, kNewTss, 0});
  CHECK(t.state().rip() == 0x1234);
  CHECK(t.cpu.stack_pointer() == 0x800);
  CHECK_FALSE(t.state().segment(Seg::FS).usable());
}

TEST_CASE("task switch: through a gate to a task in virtual-8086 mode") {
  TestCpu t;
  t.enter_protected();
  make_task(t);
  t.poke<u32>(kNewTssBase + 0x24, rflags::VM | rflags::FIXED);
  t.poke<u16>(kNewTssBase + 0x4c, 0x1000);
  t.set_gdt(0x68, TestCpu::gate(kNewTss, 0, 5, 0));
  t.step({0xea, 0, 0, 0, 0, 0x68, 0});
  CHECK(t.state().v86());
  CHECK(t.state().cpl == 3);
  CHECK(t.state().segment(Seg::CS).base == 0x10000);
}

}  // namespace
}  // namespace doppel::cpu
