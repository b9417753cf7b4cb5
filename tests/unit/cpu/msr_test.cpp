#include "cpu/arch/msr.h"

#include <doctest/doctest.h>

#include "cpu/monitor.h"
#include "tests/support/test_cpu.h"

namespace doppel::cpu {
namespace {

using test::faulted;
using test::TestCpu;

TEST_CASE("msr: unknown registers are #GP(0)") {
  TestCpu t;
  CHECK_FALSE(read_msr(t.cpu, 0x1234'5678).ok());
  CHECK(faulted(write_msr(t.cpu, 0x1234'5678, 0), Vector::GP));
}

TEST_CASE("msr: RDMSR and WRMSR move EDX:EAX in ring 0") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RCX] = msr::LSTAR;
  t.state().gpr[RAX] = 0xffff'ffff'8000'0000;  // The upper half does not count.
  t.state().gpr[RDX] = 0x0000'0000'ffff'8000;
  t.step({0x0f, 0x30});
  CHECK(t.state().lstar == 0xffff'8000'8000'0000);
  t.state().gpr[RAX] = t.state().gpr[RDX] = ~u64{0};
  t.step({0x0f, 0x32});
  CHECK(t.state().gpr[RAX] == 0x8000'0000);
  CHECK(t.state().gpr[RDX] == 0xffff'8000);
  t.enter_long(3);
  CHECK(faulted(t.execute({0x0f, 0x32}), Vector::GP));
}

TEST_CASE("msr: addresses must be canonical") {
  TestCpu t;
  for (const u32 index : {msr::LSTAR, msr::CSTAR, msr::FS_BASE, msr::GS_BASE, msr::KERNEL_GS_BASE,
                          msr::SYSENTER_EIP, msr::SYSENTER_ESP}) {
    CHECK(faulted(write_msr(t.cpu, index, u64{1} << 47), Vector::GP));
    CHECK(write_msr(t.cpu, index, 0xffff'8000'0000'0000).ok());
    CHECK(read_msr(t.cpu, index).value() == 0xffff'8000'0000'0000);
  }
}

TEST_CASE("msr: a 32-bit model takes any 32-bit entry point") {
  TestCpu t("pentium3");
  CHECK(write_msr(t.cpu, msr::SYSENTER_EIP, 0xc010'0000).ok());
  CHECK(read_msr(t.cpu, msr::SYSENTER_EIP).value() == 0xc010'0000);
  CHECK_FALSE(read_msr(t.cpu, msr::LSTAR).ok());
  CHECK_FALSE(read_msr(t.cpu, msr::EFER).ok());
}

TEST_CASE("msr: FS_BASE takes effect at once") {
  TestCpu t;
  t.enter_long();
  t.poke<u8>(0x5003, 0x42);
  REQUIRE(write_msr(t.cpu, msr::FS_BASE, 0x5000).ok());
  CHECK(t.cpu.load<u8>(Seg::FS, 3).value() == 0x42);
}

TEST_CASE("msr: memory types are checked, in MTRRs and in PAT") {
  TestCpu t;
  CHECK(write_msr(t.cpu, msr::PAT, 0x0007'0406'0105'0406).ok());
  CHECK(faulted(write_msr(t.cpu, msr::PAT, 0x02), Vector::GP));
  CHECK(write_msr(t.cpu, msr::MTRR_FIX4K_C0000 + 7, 0x0606'0606'0606'0606).ok());
  CHECK(faulted(write_msr(t.cpu, msr::MTRR_FIX64K_00000, 0x07), Vector::GP));
  CHECK(write_msr(t.cpu, msr::MTRR_DEF_TYPE, 0xc06).ok());
  CHECK(faulted(write_msr(t.cpu, msr::MTRR_DEF_TYPE, 0x100), Vector::GP));
  CHECK(write_msr(t.cpu, msr::MTRR_PHYSBASE0, 0xe000'0000).ok());
  CHECK(write_msr(t.cpu, msr::MTRR_PHYSBASE0 + 1, 0xff'e000'0800).ok());
  CHECK(faulted(write_msr(t.cpu, msr::MTRR_PHYSBASE0 + 1, u64{1} << 45), Vector::GP));
  CHECK(faulted(write_msr(t.cpu, msr::MTRRCAP, 0), Vector::GP));
  CHECK_FALSE(read_msr(t.cpu, msr::MTRR_PHYSBASE0 + 16).ok());
}

TEST_CASE("msr: chips answer for theirs, if the model has them") {
  TestCpu t;
  t.environment.msrs[msr::APIC_BASE] = 0xfee0'0900;
  CHECK(read_msr(t.cpu, msr::APIC_BASE).value() == 0xfee0'0900);
  CHECK(write_msr(t.cpu, msr::APIC_BASE, 0xfee0'0800).ok());
  CHECK(t.cpu.attention);
  CHECK_FALSE(read_msr(t.cpu, 0x802).ok());  // The fake has no x2APIC.
  TestCpu old("486");
  old.environment.msrs[msr::APIC_BASE] = 1;
  CHECK_FALSE(read_msr(old.cpu, msr::APIC_BASE).ok());
}

TEST_CASE("pause: the processor waits, at any privilege, and looks for what is due") {
  TestCpu t;
  t.enter_user32();
  t.cpu.attention = false;
  t.step({0xf3, 0x90});
  CHECK(t.environment.waited_ns == 140);
  CHECK(t.cpu.attention);
  t.cpu.attention = false;
  t.step({0x90});  // Without the prefix it is no operation.
  CHECK(t.environment.waited_ns == 140);
  CHECK_FALSE(t.cpu.attention);
}

TEST_CASE("msr: the counter and its helpers go to the environment") {
  TestCpu t;
  t.enter_user32();
  t.environment.counter = 0x1'2345'6789;
  t.state().tsc_aux = 7;
  t.step({0x0f, 0x31});
  CHECK(t.state().gpr[RAX] == 0x2345'6789);
  CHECK(t.state().gpr[RDX] == 1);
  t.step({0x0f, 0x01, 0xf9});  // rdtscp
  CHECK(t.state().gpr[RCX] == 7);
  t.state().cr4 |= cr4::TSD;
  CHECK(faulted(t.execute({0x0f, 0x31}), Vector::GP));
  CHECK(faulted(write_msr(t.cpu, msr::TSC_AUX, u64{1} << 32), Vector::GP));
  CHECK(write_msr(t.cpu, msr::TSC_ADJUST, 5).ok());
  CHECK(t.environment.adjust == 5);
}

}  // namespace
}  // namespace doppel::cpu
