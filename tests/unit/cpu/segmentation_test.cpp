#include "cpu/segmentation.h"

#include <doctest/doctest.h>

#include "tests/support/test_cpu.h"

namespace doppel::cpu {
namespace {

using test::faulted;
using test::TestCpu;

TEST_CASE("segmentation: a null data segment loads, and faults when used") {
  TestCpu t;
  t.enter_protected();
  CHECK(load_segment(t.cpu, Seg::DS, 3).ok());
  CHECK(t.state().segment(Seg::DS).selector == 3);
  const auto value = t.cpu.load<u8>(Seg::DS, 0);
  CHECK_FALSE(value.ok());
  CHECK(value.error().vector == Vector::GP);
  CHECK(faulted(load_segment(t.cpu, Seg::SS, 0), Vector::GP, 0));
}

TEST_CASE("segmentation: the kind of a segment says what its register does, for all attributes") {
  TestCpu t;
  t.enter_protected();
  SegmentRegister& ds = t.state().segment(Seg::DS);
  const auto index = static_cast<unsigned>(Seg::DS);
  for (unsigned attributes = 0; attributes < 0x1'0000; ++attributes) {
    ds.attributes = static_cast<u16>(attributes);
    t.cpu.update_segment(Seg::DS);
    const u8 kind = t.cpu.segment_kind(index);
    REQUIRE(((kind & segment_kind::kReadable) != 0) == ds.readable());
    REQUIRE(((kind & segment_kind::kWritable) != 0) == ds.writable());
  }
  for (const auto& [base, limit] : {std::pair{0u, 0xffff'ffffu}, {0u, 0xffffu}, {0x1000u, 0xffffu}, {0x1000u, 0xfffu}}) {
    ds = TestCpu::segment(0x10, base, limit, 0x493);
    t.cpu.update_segment(Seg::DS);
    const u8 kind = t.cpu.segment_kind(index);
    CHECK(((kind & segment_kind::kBaseIsZero) != 0) == (base == 0));
    CHECK(((kind & segment_kind::kTo4GiB) != 0) == (limit == 0xffff'ffff));
    CHECK(((kind & segment_kind::kTo64KiB) != 0) == (limit == 0xffff));
    CHECK((kind & segment_kind::kFromZero) != 0);
  }
}

TEST_CASE("segmentation: loads check type, privilege and presence in the manual's order") {
  TestCpu t;
  t.enter_protected();
  t.set_gdt(0x60, TestCpu::descriptor(0x5000, 0xfff, 0x011));   // data, read-only, not present, DPL 0
  t.set_gdt(0x68, TestCpu::descriptor(0x5000, 0xfff, 0x091));   // data, read-only, present
  t.set_gdt(0x70, TestCpu::descriptor(0, 0xfff, 0x099));        // code, execute-only
  t.set_gdt(0x78, TestCpu::descriptor(0x6000, 0xfff, 0x013));   // writable data, not present
  CHECK(faulted(load_segment(t.cpu, Seg::DS, 0x60), Vector::NP, 0x60));
  CHECK(faulted(load_segment(t.cpu, Seg::DS, 0x70), Vector::GP, 0x70));
  CHECK(faulted(load_segment(t.cpu, Seg::SS, 0x68), Vector::GP, 0x68));
  CHECK(faulted(load_segment(t.cpu, Seg::SS, 0x78), Vector::SS, 0x78));
  CHECK(faulted(load_segment(t.cpu, Seg::SS, TestCpu::kUserData32), Vector::GP, 0x20));
  CHECK(faulted(load_segment(t.cpu, Seg::ES, 0x400), Vector::GP, 0x400));  // beyond the limit
  CHECK(faulted(load_segment(t.cpu, Seg::ES, 0x0c), Vector::GP, 0x0c));    // no LDT
  CHECK(load_segment(t.cpu, Seg::DS, 0x68).ok());
  CHECK(t.state().segment(Seg::DS).base == 0x5000);
  CHECK(faulted(t.cpu.store<u8>(Seg::DS, 0, 1), Vector::GP, 0));
}

TEST_CASE("segmentation: ring 3 may not load a ring 0 data segment") {
  TestCpu t;
  t.enter_user32();
  CHECK(faulted(load_segment(t.cpu, Seg::ES, TestCpu::kData32), Vector::GP, TestCpu::kData32));
  CHECK(load_segment(t.cpu, Seg::ES, TestCpu::kUserData32).ok());
  CHECK(load_segment(t.cpu, Seg::ES, TestCpu::kConforming32).ok());
}

TEST_CASE("segmentation: a load sets the accessed bit in the table") {
  TestCpu t;
  t.enter_protected();
  t.set_gdt(0x60, TestCpu::descriptor(0, 0xfff, 0x092));
  CHECK(load_segment(t.cpu, Seg::FS, 0x60).ok());
  CHECK((t.peek<u8>(TestCpu::kGdt + 0x65) & 1) == 1);
}

TEST_CASE("segmentation: real mode keeps the limit that protected mode left") {
  TestCpu t;
  t.enter_protected();
  t.state().cr0 &= ~cr0::PE;
  t.cpu.update_mode();
  CHECK(load_segment(t.cpu, Seg::DS, 0x1234).ok());
  CHECK(t.state().segment(Seg::DS).base == 0x12340);
  CHECK(t.cpu.load<u8>(Seg::DS, 0x20'0000).ok());
}

TEST_CASE("segmentation: an expand-down segment is what lies above its limit") {
  TestCpu t;
  t.enter_protected();
  t.set_gdt(0x60, TestCpu::descriptor(0, 0x0fff, 0x097));
  REQUIRE(load_segment(t.cpu, Seg::ES, 0x60).ok());
  CHECK_FALSE(t.cpu.load<u8>(Seg::ES, 0xfff).ok());
  CHECK(t.cpu.load<u8>(Seg::ES, 0x1000).ok());
  CHECK_FALSE(t.cpu.load<u16>(Seg::ES, 0xffff).ok());
}

TEST_CASE("far jump: levels and types are checked, CS takes CPL") {
  TestCpu t;
  t.enter_protected();
  CHECK(faulted(far_jump(t.cpu, TestCpu::kData32, 0, 4), Vector::GP, TestCpu::kData32));
  CHECK(faulted(far_jump(t.cpu, TestCpu::kUserCode32, 0, 4), Vector::GP, 0x18));
  CHECK(faulted(far_jump(t.cpu, 0, 0, 4), Vector::GP, 0));
  CHECK(faulted(far_jump(t.cpu, TestCpu::kCode16, 0x1'0000, 4), Vector::GP, 0));  // beyond its limit
  REQUIRE(far_jump(t.cpu, TestCpu::kCode16, 0x1234, 4).ok());
  CHECK(t.state().rip() == 0x1234);
  CHECK(t.state().segment(Seg::CS).selector == TestCpu::kCode16);
  t.enter_user32();
  REQUIRE(far_jump(t.cpu, TestCpu::kConforming32, 0x99, 4).ok());
  CHECK(t.state().segment(Seg::CS).selector == (TestCpu::kConforming32 | 3));
  CHECK(t.state().cpl == 3);
}

TEST_CASE("far call: pushes CS and the return address, and far return takes them") {
  TestCpu t;
  t.enter_protected();
  t.step({0x9a, 0x00, 0x20, 0x00, 0x00, 0x08, 0x00});  // call 08:2000
  CHECK(t.state().rip() == 0x2000);
  CHECK(t.state().gpr[RSP] == 0x8ff8);
  CHECK(t.peek<u32>(0x8ffc) == TestCpu::kCode32);
  CHECK(t.peek<u32>(0x8ff8) == TestCpu::kCode + 7);
  t.step({0xca, 0x04, 0x00});  // retf 4
  CHECK(t.state().rip() == TestCpu::kCode + 7);
  CHECK(t.state().gpr[RSP] == 0x9004);
}

TEST_CASE("far call: real mode pushes words and wraps the stack") {
  TestCpu t;
  t.state().gpr[RSP] = 2;
  t.state().segment(Seg::CS).selector = 0x1000;
  t.state().segment(Seg::CS).base = 0x10000;
  t.state().rip() = 0x100;
  t.cpu.update_mode();
  t.step({0x9a, 0x34, 0x12, 0x00, 0x20});
  CHECK(t.state().segment(Seg::CS).base == 0x20000);
  CHECK(t.state().rip() == 0x1234);
  CHECK(t.state().gpr[RSP] == 0xfffe);
  CHECK(t.peek<u16>(0) == 0x1000);
  CHECK(t.peek<u16>(0xfffe) == 0x105);
}

TEST_CASE("call gate: to an inner level with parameters, and back") {
  TestCpu t;
  t.enter_user32();
  t.set_gdt(0x60, TestCpu::gate(TestCpu::kCode32, 0x4000, 12, 3, 2));
  t.poke<u32>(0x9000, 0x1111);
  t.poke<u32>(0x9004, 0x2222);
  REQUIRE(far_call(t.cpu, 0x63, 0, 4).ok());
  CHECK(t.state().cpl == 0);
  CHECK(t.state().rip() == 0x4000);
  CHECK(t.state().segment(Seg::SS).selector == TestCpu::kData32);
  CHECK(t.state().gpr[RSP] == 0x8000 - 6 * 4);
  CHECK(t.peek<u32>(0x7ffc) == TestCpu::kUserData32);
  CHECK(t.peek<u32>(0x7ff8) == 0x9000);
  CHECK(t.peek<u32>(0x7ff4) == 0x2222);
  CHECK(t.peek<u32>(0x7ff0) == 0x1111);
  CHECK(t.peek<u32>(0x7fec) == TestCpu::kUserCode32);
  REQUIRE(load_segment(t.cpu, Seg::ES, TestCpu::kData32).ok());
  REQUIRE(far_return(t.cpu, 4, 8).ok());
  CHECK(t.state().cpl == 3);
  CHECK(t.state().gpr[RSP] == 0x9008);
  CHECK_FALSE(t.state().segment(Seg::ES).usable());  // Too privileged to keep.
  CHECK(t.state().segment(Seg::DS).usable());
}

TEST_CASE("call gate: a bad inner stack is #TS and changes nothing") {
  TestCpu t;
  t.enter_user32();
  t.set_gdt(0x60, TestCpu::gate(TestCpu::kCode32, 0x4000, 12, 3));
  t.poke<u16>(TestCpu::kTss + 8, TestCpu::kUserData32);
  CHECK(faulted(far_call(t.cpu, 0x63, 0, 4), Vector::TS, 0x20));
  CHECK(t.state().cpl == 3);
  CHECK(t.state().gpr[RSP] == 0x9000);
  CHECK(t.state().rip() == TestCpu::kCode);
}

TEST_CASE("call gate: the gate's DPL and RPL decide before anything behind it is read") {
  TestCpu t;
  t.enter_user32();
  t.set_gdt(0x60, TestCpu::gate(0xfff8, 0x4000, 12, 0));
  CHECK(faulted(far_call(t.cpu, 0x63, 0, 4), Vector::GP, 0x60));
  t.set_gdt(0x60, TestCpu::gate(0xfff8, 0x4000, 12, 3) & ~(u64{1} << 47));
  CHECK(faulted(far_call(t.cpu, 0x63, 0, 4), Vector::NP, 0x60));
}

TEST_CASE("call gate: long mode pushes 64-bit values on the TSS's stack and leaves SS null") {
  TestCpu t;
  t.enter_long(3);
  t.poke<u64>(TestCpu::kGdt + 0x60, TestCpu::gate(TestCpu::kCode64, 0x4000, 12, 3));
  t.poke<u64>(TestCpu::kGdt + 0x68, 0);
  REQUIRE(far_call(t.cpu, 0x63, 0, 4).ok());
  CHECK(t.state().cpl == 0);
  CHECK(t.state().segment(Seg::SS).selector == 0);
  CHECK(t.state().gpr[RSP] == 0x8000 - 32);
  CHECK(t.peek<u64>(0x7ff8) == TestCpu::kUserData32);
  CHECK(t.peek<u64>(0x7ff0) == 0x9000);
  CHECK(t.peek<u64>(0x7fe8) == TestCpu::kUserCode64);
  REQUIRE(far_return(t.cpu, 8, 0).ok());
  CHECK(t.state().cpl == 3);
  CHECK(t.state().gpr[RSP] == 0x9000);
}

TEST_CASE("far jump: through memory in 64-bit code takes 16:32, and 16:64 with REX.W") {
  TestCpu t;
  t.enter_long();
  t.poke<u64>(0x5000, 0x1234);
  t.poke<u16>(0x5004, TestCpu::kCode32);
  t.state().gpr[RAX] = 0x5000;
  t.step({0xff, 0x28});  // jmp far [rax]
  CHECK(t.state().segment(Seg::CS).selector == TestCpu::kCode32);
  CHECK(t.state().rip() == 0x1234);
  CHECK_FALSE(t.cpu.code64());

  t.enter_long();
  t.poke<u64>(0x5000, 0x12'0000'1234);
  t.poke<u16>(0x5008, TestCpu::kCode64);
  t.step({0x48, 0xff, 0x28});
  CHECK(t.state().rip() == 0x12'0000'1234);
}

TEST_CASE("far return: never inwards") {
  TestCpu t;
  t.enter_user32();
  t.poke<u32>(0x9000, 0x1000);
  t.poke<u32>(0x9004, TestCpu::kCode32);
  CHECK(faulted(far_return(t.cpu, 4, 0), Vector::GP, TestCpu::kCode32));
  CHECK(t.state().gpr[RSP] == 0x9000);
}

TEST_CASE("LAR and LSL: answer with ZF, without a fault") {
  TestCpu t;
  t.enter_protected();
  t.state().gpr[RBX] = TestCpu::kData32;
  t.step({0x0f, 0x02, 0xc3});  // lar eax, ebx
  CHECK(t.state().flags.zf());
  CHECK(t.state().gpr[RAX] == 0x00c0'9300);
  t.step({0x0f, 0x03, 0xc3});  // lsl eax, ebx
  CHECK(t.state().gpr[RAX] == 0xffff'ffff);
  t.state().gpr[RBX] = 0x7f8;
  t.state().gpr[RAX] = 5;
  t.step({0x0f, 0x03, 0xc3});
  CHECK_FALSE(t.state().flags.zf());
  CHECK(t.state().gpr[RAX] == 5);
}

TEST_CASE("MOV SS: holds interrupts off for one instruction") {
  TestCpu t;
  t.enter_protected();
  t.state().gpr[RAX] = TestCpu::kData32;
  t.step({0x8e, 0xd0});
  CHECK(t.state().interrupt_shadow);
  CHECK(t.state().mov_ss_shadow);
}

TEST_CASE("LGDT: 24 bits of base with a 16-bit operand, all of it otherwise") {
  TestCpu t;
  t.enter_protected();
  t.put(0x5000, {0xff, 0x01, 0x78, 0x56, 0x34, 0x12});
  t.state().gpr[RAX] = 0x5000;
  t.step({0x0f, 0x01, 0x10});
  CHECK(t.state().gdtr.base == 0x1234'5678);
  CHECK(t.state().gdtr.limit == 0x1ff);
  t.step({0x66, 0x0f, 0x01, 0x18});  // lidt
  CHECK(t.state().idtr.base == 0x34'5678);
}

TEST_CASE("LTR: marks the TSS busy and refuses a busy one") {
  TestCpu t;
  t.enter_protected();
  t.set_gdt(0x60, TestCpu::descriptor(0x6000, 0x67, 0x089));
  t.state().gpr[RAX] = 0x60;
  t.step({0x0f, 0x00, 0xd8});
  CHECK(t.state().tr.base == 0x6000);
  CHECK(t.peek<u8>(TestCpu::kGdt + 0x65) == 0x8b);
  CHECK(faulted(t.execute({0x0f, 0x00, 0xd8}), Vector::GP, 0x60));
}

}  // namespace
}  // namespace doppel::cpu
