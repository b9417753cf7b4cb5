#include "cpu/control_registers.h"

#include <doctest/doctest.h>

#include "cpu/monitor.h"
#include "cpu/segmentation.h"
#include "tests/support/test_cpu.h"

namespace doppel::cpu {
namespace {

using test::faulted;
using test::TestCpu;

TEST_CASE("CR0: forbidden combinations fault and change nothing") {
  TestCpu t;
  t.enter_protected();
  const u64 before = t.state().cr0;
  CHECK(faulted(write_cr0(t.cpu, cr0::PG), Vector::GP));
  CHECK(faulted(write_cr0(t.cpu, cr0::PE | cr0::NW), Vector::GP));
  CHECK(faulted(write_cr0(t.cpu, u64{1} << 32 | cr0::PE), Vector::GP));
  CHECK(t.state().cr0 == before);
  CHECK(write_cr0(t.cpu, cr0::PE).ok());
  CHECK((t.state().cr0 & cr0::ET) != 0);  // Fixed.
}

TEST_CASE("long mode: LME and PG make LMA, and the way back clears it") {
  TestCpu t;
  t.enter_protected();
  t.poke<u64>(0x100000, 0x101003);
  t.poke<u64>(0x101000, 0x102003);
  t.poke<u64>(0x102000, 0x83);
  t.state().cr3 = 0x100000;
  t.state().efer = efer::LME;
  CHECK(faulted(write_cr0(t.cpu, t.state().cr0 | cr0::PG), Vector::GP));  // No PAE.
  REQUIRE(write_cr4(t.cpu, cr4::PAE).ok());
  REQUIRE(write_cr0(t.cpu, t.state().cr0 | cr0::PG).ok());
  CHECK((t.state().efer & efer::LMA) != 0);
  CHECK_FALSE(t.cpu.code64());
  CHECK(faulted(write_cr4(t.cpu, 0), Vector::GP));  // PAE may not go.
  REQUIRE(far_jump(t.cpu, TestCpu::kCode64, 0x1000, 4).ok());
  CHECK(t.cpu.code64());
  CHECK(faulted(write_cr0(t.cpu, cr0::PE), Vector::GP));  // Not from 64-bit code.
  REQUIRE(far_jump(t.cpu, TestCpu::kCode32, 0x1000, 4).ok());
  REQUIRE(write_cr0(t.cpu, cr0::PE).ok());
  CHECK((t.state().efer & efer::LMA) == 0);
}

TEST_CASE("EFER: LME may not change while paging is on, LMA is not the guest's") {
  TestCpu t;
  t.enter_long();
  CHECK(faulted(write_msr(t.cpu, 0xc000'0080, efer::SCE), Vector::GP));
  CHECK(write_msr(t.cpu, 0xc000'0080, efer::LME).ok());
  CHECK(t.state().efer == (efer::LME | efer::LMA));
  CHECK(faulted(write_msr(t.cpu, 0xc000'0080, 1u << 1), Vector::GP));
}

TEST_CASE("PAE: loading CR3 reads the page-directory pointers and refuses reserved bits") {
  TestCpu t;
  t.enter_protected();
  t.poke<u64>(0x5000, 0x6001);
  REQUIRE(write_cr4(t.cpu, cr4::PAE).ok());
  REQUIRE(write_cr3(t.cpu, 0x5000).ok());
  CHECK(t.cpu.pdpte[0] == 0);  // Not yet: paging is off.
  t.poke<u64>(0x6000, 0x83);
  REQUIRE(write_cr0(t.cpu, t.state().cr0 | cr0::PG).ok());
  CHECK(t.cpu.pdpte[0] == 0x6001);
  t.poke<u64>(0x5020, 0x6003);  // Bit 1 is reserved.
  CHECK(faulted(write_cr3(t.cpu, 0x5020), Vector::GP));
  CHECK(t.state().cr3 == 0x5000);
}

TEST_CASE("CR4: bits the model does not have are reserved, PCIDE has conditions") {
  TestCpu old("pentium");
  old.enter_protected();
  CHECK(write_cr4(old.cpu, cr4::PSE | cr4::TSD).ok());
  CHECK(faulted(write_cr4(old.cpu, cr4::PAE), Vector::GP));
  TestCpu t;
  t.enter_protected();
  CHECK(faulted(write_cr4(t.cpu, cr4::PCIDE), Vector::GP));
  t.enter_long();
  t.state().cr3 |= 8;
  CHECK(faulted(write_cr4(t.cpu, cr4::PAE | cr4::PCIDE), Vector::GP));
  t.state().cr3 = 0x100000;
  CHECK(write_cr4(t.cpu, cr4::PAE | cr4::PCIDE).ok());
  CHECK(write_cr3(t.cpu, u64{1} << 63 | 0x100001).ok());
  CHECK(t.state().cr3 == 0x100001);
  CHECK(faulted(write_cr3(t.cpu, u64{1} << 50), Vector::GP));
}

TEST_CASE("MOV CR: ring 0 only, and CR4 is no register of a 486") {
  TestCpu t;
  t.enter_user32();
  CHECK(faulted(t.execute({0x0f, 0x20, 0xc0}), Vector::GP));
  CHECK(faulted(t.execute({0x0f, 0x06}), Vector::GP));  // clts
  TestCpu old("486");
  old.enter_protected();
  CHECK(faulted(old.execute({0x0f, 0x20, 0xe0}), Vector::UD));
  old.step({0x0f, 0x20, 0xc3});  // mov ebx, cr0
  CHECK(old.state().gpr[RBX] == old.state().cr0);
}

TEST_CASE("LMSW: sets PE and cannot clear it; SMSW reads") {
  TestCpu t;
  t.enter_protected();
  t.state().gpr[RAX] = cr0::TS;
  t.step({0x0f, 0x01, 0xf0});  // lmsw ax
  CHECK((t.state().cr0 & (cr0::PE | cr0::TS)) == (cr0::PE | cr0::TS));
  t.step({0x0f, 0x01, 0xe3});  // smsw ebx
  CHECK(t.state().gpr[RBX] == t.state().cr0);
  t.step({0x0f, 0x06});
  CHECK((t.state().cr0 & cr0::TS) == 0);
}

TEST_CASE("UMIP: ring 3 may not read system registers") {
  TestCpu t;
  t.enter_user32();
  t.step({0x0f, 0x01, 0xe0});  // smsw eax
  CHECK(t.state().rip() == TestCpu::kCode + 3);
  t.state().cr4 |= cr4::UMIP;
  CHECK(faulted(t.execute({0x0f, 0x01, 0xe0}), Vector::GP));
  CHECK(faulted(t.execute({0x0f, 0x00, 0xc0}), Vector::GP));  // sldt eax
}

TEST_CASE("MOV DR: fixed bits, aliases, general detect") {
  TestCpu t;
  t.enter_protected();
  t.state().gpr[RAX] = 0xffff'ffff;
  t.step({0x0f, 0x23, 0xf0});  // mov dr6, eax
  CHECK(t.state().dr[6] == 0xffff'efff);
  t.state().gpr[RAX] = 0;
  t.step({0x0f, 0x23, 0xe0});  // mov dr4, eax: an alias
  CHECK(t.state().dr[6] == dr6::kFixedOnes);
  t.state().cr4 |= cr4::DE;
  CHECK(faulted(t.execute({0x0f, 0x23, 0xe0}), Vector::UD));
  t.state().gpr[RAX] = dr7::GD;
  t.step({0x0f, 0x23, 0xf8});  // mov dr7, eax
  CHECK(t.state().dr[7] == (dr7::GD | dr7::kFixedOnes));
  const auto refused = t.execute({0x0f, 0x21, 0xc0});
  CHECK(faulted(refused, Vector::DB));
  CHECK(refused.error().address == dr6::BD);
}

TEST_CASE("CR8: 64-bit code only, and the chip's") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RAX] = 9;
  t.step({0x44, 0x0f, 0x22, 0xc0});  // mov cr8, rax
  CHECK(t.environment.priority == 9);
  t.state().gpr[RAX] = 16;
  CHECK(faulted(t.execute({0x44, 0x0f, 0x22, 0xc0}), Vector::GP));
}

TEST_CASE("XSETBV: the x87 bit must be set, AVX needs SSE, OSXSAVE must be on") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RCX] = t.state().gpr[RDX] = 0;
  t.state().gpr[RAX] = 7;
  CHECK(faulted(t.execute({0x0f, 0x01, 0xd1}), Vector::UD));
  t.state().cr4 |= cr4::OSXSAVE;
  t.step({0x0f, 0x01, 0xd1});
  CHECK(t.state().xcr0 == 7);
  t.state().gpr[RAX] = 6;
  CHECK(faulted(t.execute({0x0f, 0x01, 0xd1}), Vector::GP));
  t.state().gpr[RAX] = 5;
  CHECK(faulted(t.execute({0x0f, 0x01, 0xd1}), Vector::GP));
}

TEST_CASE("HLT: halts in ring 0, faults in ring 3") {
  TestCpu t;
  t.enter_protected();
  t.step({0xf4});
  CHECK(t.state().halted);
  t.enter_user32();
  CHECK(faulted(t.execute({0xf4}), Vector::GP));
}

TEST_CASE("I/O: below IOPL the TSS's bitmap decides") {
  TestCpu t;
  t.enter_user32();
  t.poke<u16>(TestCpu::kTss + 0x66, 0x68);
  t.poke<u8>(TestCpu::kTss + 0x68 + 0x60 / 8, 0xfe);  // Only port 60h is open.
  t.poke<u8>(TestCpu::kTss + 0x68 + 0x61 / 8 + 1, 0xff);
  t.environment.ports[0x60] = 0x5a;
  t.step({0xe4, 0x60});
  CHECK((t.state().gpr[RAX] & 0xff) == 0x5a);
  CHECK(t.cpu.attention);
  CHECK(faulted(t.execute({0xe5, 0x60}), Vector::GP));
  CHECK(faulted(t.execute({0xe4, 0x61}), Vector::GP));
  t.state().system_flags |= rflags::IOPL;
  t.state().gpr[RDX] = 0x3f8;
  t.state().gpr[RAX] = 0x1234;
  t.step({0x66, 0xef});  // out dx, ax
  REQUIRE(t.environment.written.size() == 1);
  CHECK(t.environment.written[0].port == 0x3f8);
  CHECK(t.environment.written[0].width == Width::Word);
  CHECK(t.environment.written[0].value == 0x1234);
}

}  // namespace
}  // namespace doppel::cpu
